"""People: how they log in, who is logged in, and who did what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from lastseen.storage.tables.columns import COUNTED, Base, check, index, one_of, text_column


class Users(Base, table=True):
    """`folded`: the name whatever its case. `password`: a hash; None: logs in otherwise, or not at all."""

    __table_args__ = (
        one_of("role", "admin member viewer"),
        UniqueConstraint("name"),
        UniqueConstraint("folded"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    name: str = text_column()
    role: str = text_column()
    created_at: datetime
    folded: str = text_column()
    password: str | None = text_column(null=True)
    last_in_at: datetime | None = None


class Sessions(Base, table=True):
    __table_args__ = (UniqueConstraint("digest"), index("sessions_user", "user_id"), COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="users.id", ondelete="CASCADE")
    digest: str = text_column()
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    address: str = text_column("")
    agent: str = text_column("")


class LinkTokens(Base, table=True):
    """One-time links. Who uses one takes its row away."""

    __tablename__ = "link_tokens"
    __table_args__ = (
        one_of("purpose", "setup password"),
        check("user", "(purpose = 'setup') = (user_id IS NULL)"),
        UniqueConstraint("digest"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    purpose: str = text_column()
    digest: str = text_column()
    user_id: int | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE")
    created_at: datetime
    expires_at: datetime


class AuditLog(Base, table=True):
    """`user_id` refers to nobody: what was done stays when they are gone, and no id is given twice."""

    __tablename__ = "audit_log"
    __table_args__ = (index("audit_log_subject", "subject", "id"), COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    at: datetime
    who: str = text_column()
    user_id: int | None = None
    verb: str = text_column()
    subject: str = text_column()
    through: str = text_column("")
    address: str = text_column("")
    changed: str = text_column("{}")
