"""Who is told, what they wish, and how they are connected."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from lastseen.storage.tables.columns import COUNTED, ONE, YES, ZERO, Base, check, index, one_of, text_column


class Channels(Base, table=True):
    __table_args__ = (
        one_of("disabled_by", "person far_end"),
        check("enabled", "enabled = (disabled_by IS NULL)"),
        check("fallback", "fallback_id IS NULL OR fallback_id <> id"),
        UniqueConstraint("uid"),
        index("channels_name", "name", where="deleted_at IS NULL", unique=True),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str = text_column()
    type: str = text_column()
    name: str = text_column()
    config: str = text_column()
    secrets: str | None = text_column(null=True)
    prefs: str = text_column("{}")
    owner_id: int | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": YES})
    disabled_by: str | None = text_column(null=True)
    disabled_reason: str | None = text_column(null=True)
    fallback_id: int | None = Field(default=None, foreign_key="channels.id")
    created_at: datetime
    deleted_at: datetime | None = None
    version: int = Field(default=1, sa_column_kwargs={"server_default": ONE})


class ChannelState(Base, table=True):
    """`ready_at`: end of the cool-down. `succeeded_at`: begin of the newest success."""

    __tablename__ = "channel_state"
    __table_args__ = (index("channel_state_lane", "lane"),)
    channel_id: int = Field(
        primary_key=True, foreign_key="channels.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    lane: str = text_column()
    ready_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = Field(default=0, sa_column_kwargs={"server_default": ZERO})
    succeeded_at: datetime | None = None


class Silences(Base, table=True):
    __table_args__ = (check("span", "ends_at > starts_at"), index("silences_ends", "ends_at"), COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    name: str = text_column()
    starts_at: datetime
    ends_at: datetime
    matcher: str = text_column()
    created_by: str = text_column()


class Invites(Base, table=True):
    """Who has the code may make a channel of this name from where they are, once."""

    __table_args__ = (check("used", "(used_at IS NULL) = (used_by IS NULL)"), UniqueConstraint("digest"), COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    digest: str = text_column()
    name: str = text_column()
    config: str = text_column("{}")
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    used_by: str | None = text_column(null=True)
