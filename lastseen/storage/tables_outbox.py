"""The tables of the outbox: notifications, attempts to send them, and what people wish of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Text, UniqueConstraint
from sqlmodel import Field

from lastseen.storage.tables import _COUNTED, _NO, _ZERO, OPEN, Base, _check, _index, _one_of, _text


class Notifications(Base, table=True):
    """One event for one channel. `uid` is what far ends see; `occasion` counts the rows of one event on one channel."""

    __table_args__ = (
        _check("uid", "uid NOT LIKE '%.%'"),
        _check("occasion", "occasion >= 0"),
        _one_of("cause", "first reminder replay fallback"),
        _one_of("state", "pending sending delivered dead cancelled skipped"),
        _check("leased", "(state = 'sending') = (lease_token IS NOT NULL)"),
        _check("finished", "(state IN ('delivered', 'dead', 'cancelled', 'skipped')) = (finished_at IS NOT NULL)"),
        _check("reason", "state NOT IN ('dead', 'cancelled', 'skipped') OR reason IS NOT NULL"),
        UniqueConstraint("uid"),
        UniqueConstraint("event_id", "channel_id", "occasion"),
        _index("notifications_open", "channel_id", "due_at", "id", where=OPEN),
        _index("notifications_queue", "channel_id", "machine_id", "id", where=OPEN),
        _index("notifications_sending", "channel_id", where="state = 'sending'"),
        _index("notifications_dead", "finished_at", where="state = 'dead'"),
        _index("notifications_machine", "machine_id", "id"),
        _COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str = _text()
    event_id: int = Field(foreign_key="events.id")
    channel_id: int = Field(foreign_key="channels.id")
    machine_id: int | None = Field(default=None, foreign_key="machines.id")
    occasion: int = Field(default=0, sa_column_kwargs={"server_default": _ZERO})
    cause: str = _text("first")
    state: str = _text("pending")
    reason: str | None = _text(null=True)
    due_at: datetime
    while_open: bool = Field(default=False, sa_column_kwargs={"server_default": _NO})
    solo: bool = Field(default=False, sa_column_kwargs={"server_default": _NO})
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": _ZERO})
    rejections: int = Field(default=0, sa_column_kwargs={"server_default": _ZERO})
    lease_token: int | None = None
    created_at: datetime
    expires_at: datetime
    finished_at: datetime | None = None
    receipt: str | None = _text(null=True)


class DeliveryAttempts(Base, table=True):
    __tablename__ = "delivery_attempts"
    __table_args__ = (
        _one_of("outcome", "delivered retry rejected lost"),
        _check("finished", "(finished_at IS NULL) = (outcome IS NULL)"),
        _COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    channel_id: int = Field(foreign_key="channels.id")
    node: str = _text()
    lease_token: int
    started_at: datetime
    finished_at: datetime | None = None
    outcome: str | None = _text(null=True)
    detail: str | None = _text(null=True)


class DeliveryAttemptItems(Base, table=True):
    __tablename__ = "delivery_attempt_items"
    __table_args__ = (_index("delivery_attempt_items_n", "notification_id"),)
    attempt_id: int = Field(primary_key=True, foreign_key="delivery_attempts.id", ondelete="CASCADE")
    notification_id: int = Field(primary_key=True, foreign_key="notifications.id", ondelete="CASCADE")


class Invites(Base, table=True):
    """Who has the code may make a channel of this name from where they are, once."""

    __table_args__ = (_check("used", "(used_at IS NULL) = (used_by IS NULL)"), UniqueConstraint("digest"), _COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    digest: str = _text()
    name: str = _text()
    config: str = _text("{}")
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    used_by: str | None = _text(null=True)


class Refusals(Base, table=True):
    """How often a known key was refused, by the hour. Bounded: old hours go."""

    __table_args__ = (_one_of("reason", "revoked expired disabled"), _index("refusals_hour", "hour"))
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


class Silences(Base, table=True):
    __table_args__ = (_check("span", "ends_at > starts_at"), _index("silences_ends", "ends_at"), _COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    name: str = _text()
    starts_at: datetime
    ends_at: datetime
    matcher: str = _text()
    created_by: str = _text()
