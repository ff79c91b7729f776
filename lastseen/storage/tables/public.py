"""What everybody may look at: status pages, and badges."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from lastseen.storage.tables.columns import COUNTED, NO, YES, Base, one_of, text_column


class StatusPages(Base, table=True):
    """`lines`: what it shows, in its order. `is_public`: whoever has its address sees it; else nobody does.
    `is_listed`: search engines may list it."""

    __tablename__ = "status_pages"
    __table_args__ = (UniqueConstraint("slug"), COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    slug: str = text_column()
    title: str = text_column()
    text: str = text_column("")
    lines: str = text_column("[]")
    is_public: bool = Field(default=True, sa_column_kwargs={"server_default": YES})
    is_listed: bool = Field(default=False, sa_column_kwargs={"server_default": NO})
    owner_id: int | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    created_at: datetime


class Badges(Base, table=True):
    """`key`: its address, which is told to everybody who may see the badge."""

    __table_args__ = (one_of("shows", "status uptime"), UniqueConstraint("key"), COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    key: str = text_column()
    label: str = text_column("")
    shows: str = text_column()
    subject: str = text_column()
    owner_id: int | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    created_at: datetime
