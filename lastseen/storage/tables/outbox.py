"""The outbox: notifications, and the attempts to send them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from lastseen.storage.tables.columns import COUNTED, NO, ZERO, Base, check, index, one_of, text_column

OPEN = "state IN ('pending', 'sending')"


class Notifications(Base, table=True):
    """One event for one channel. `uid` is what far ends see; `occasion` counts the rows of one event on one channel."""

    __table_args__ = (
        check("uid", "uid NOT LIKE '%.%'"),
        check("occasion", "occasion >= 0"),
        one_of("cause", "first reminder replay fallback"),
        one_of("state", "pending sending delivered dead cancelled skipped"),
        check("leased", "(state = 'sending') = (lease_token IS NOT NULL)"),
        check("finished", "(state IN ('delivered', 'dead', 'cancelled', 'skipped')) = (finished_at IS NOT NULL)"),
        check("reason", "state NOT IN ('dead', 'cancelled', 'skipped') OR reason IS NOT NULL"),
        UniqueConstraint("uid"),
        UniqueConstraint("event_id", "channel_id", "occasion"),
        index("notifications_open", "channel_id", "due_at", "id", where=OPEN),
        index("notifications_queue", "channel_id", "machine_id", "id", where=OPEN),
        index("notifications_sending", "channel_id", where="state = 'sending'"),
        index("notifications_dead", "finished_at", where="state = 'dead'"),
        index("notifications_machine", "machine_id", "id"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str = text_column()
    event_id: int = Field(foreign_key="events.id")
    channel_id: int = Field(foreign_key="channels.id")
    machine_id: int | None = Field(default=None, foreign_key="machines.id")
    occasion: int = Field(default=0, sa_column_kwargs={"server_default": ZERO})
    cause: str = text_column("first")
    state: str = text_column("pending")
    reason: str | None = text_column(null=True)
    due_at: datetime
    while_open: bool = Field(default=False, sa_column_kwargs={"server_default": NO})
    solo: bool = Field(default=False, sa_column_kwargs={"server_default": NO})
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": ZERO})
    rejections: int = Field(default=0, sa_column_kwargs={"server_default": ZERO})
    lease_token: int | None = None
    created_at: datetime
    expires_at: datetime
    finished_at: datetime | None = None
    receipt: str | None = text_column(null=True)


class DeliveryAttempts(Base, table=True):
    __tablename__ = "delivery_attempts"
    __table_args__ = (
        one_of("outcome", "delivered retry rejected lost"),
        check("finished", "(finished_at IS NULL) = (outcome IS NULL)"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    channel_id: int = Field(foreign_key="channels.id")
    node: str = text_column()
    lease_token: int
    started_at: datetime
    finished_at: datetime | None = None
    outcome: str | None = text_column(null=True)
    detail: str | None = text_column(null=True)


class DeliveryAttemptItems(Base, table=True):
    __tablename__ = "delivery_attempt_items"
    __table_args__ = (index("delivery_attempt_items_n", "notification_id"),)
    attempt_id: int = Field(primary_key=True, foreign_key="delivery_attempts.id", ondelete="CASCADE")
    notification_id: int = Field(primary_key=True, foreign_key="notifications.id", ondelete="CASCADE")
