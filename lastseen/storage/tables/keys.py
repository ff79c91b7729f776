"""What machines and programs authenticate with, and what was refused."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Text, UniqueConstraint
from sqlmodel import Field

from lastseen.storage.tables.columns import COUNTED, Base, check, index, one_of, text_column


class MachineApiKeys(Base, table=True):
    """`may`: of an API key; None, as before there was such a thing: read. A user's keys go with them: nobody's would
    be an operator's."""

    __tablename__ = "machine_api_keys"
    __table_args__ = (
        one_of("scope", "machine fleet api ping push"),
        check("machine", "scope NOT IN ('machine', 'push') OR machine_id IS NOT NULL"),
        check("shown", "scope IN ('ping', 'push') OR shown_cipher IS NULL"),
        one_of("may", "read write"),
        index("machine_api_keys_user", "user_id", where="user_id IS NOT NULL"),
        UniqueConstraint("digest"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    digest: str = text_column()
    hint: str = text_column()
    scope: str = text_column()
    machine_id: int | None = Field(default=None, foreign_key="machines.id", ondelete="CASCADE")
    shown_cipher: str | None = text_column(null=True)
    label: str = text_column("")
    defaults: str = text_column("{}")
    created_at: datetime
    first_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    user_id: int | None = Field(default=None, foreign_key="users.id", ondelete="CASCADE")
    may: str | None = text_column(null=True)
    last_used_at: datetime | None = None


class Refusals(Base, table=True):
    """How often a known key was refused, by the hour. Bounded: old hours go."""

    __table_args__ = (one_of("reason", "revoked expired disabled"), index("refusals_hour", "hour"))
    key_id: int = Field(
        primary_key=True,
        foreign_key="machine_api_keys.id",
        ondelete="CASCADE",
        sa_column_kwargs={"autoincrement": False},
    )
    hour: datetime = Field(primary_key=True)
    reason: str = Field(sa_column=Column(Text, primary_key=True))
    count: int
    first_at: datetime
    last_at: datetime
