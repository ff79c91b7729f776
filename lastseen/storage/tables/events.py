"""What happened: events, and the outages that they open and close."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from lastseen.storage.tables.columns import COUNTED, Base, check, index, one_of, text_column


class Events(Base, table=True):
    """Committed facts. Messages are rendered from the snapshot alone. The event that opens an incident refers to
    itself as incident_id."""

    __table_args__ = (
        one_of("severity", "alert info"),
        check("machine", "(machine_id IS NULL) = (seq IS NULL)"),
        UniqueConstraint("uid"),
        UniqueConstraint("machine_id", "seq"),
        index("events_at", "at"),
        index("events_incident", "incident_id", where="incident_id IS NOT NULL"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str = text_column()
    type: str = text_column()
    severity: str = text_column()
    at: datetime
    machine_id: int | None = Field(default=None, foreign_key="machines.id")
    seq: int | None = None
    source_id: int | None = Field(default=None, foreign_key="sources.id")
    channel_id: int | None = Field(default=None, foreign_key="channels.id")
    incident_id: int | None = Field(default=None, foreign_key="events.id")
    previous_status: str | None = text_column(null=True)
    status: str | None = text_column(null=True)
    reason: str = text_column()
    last_seen: datetime | None = None
    snapshot: str = text_column()


class Outages(Base, table=True):
    """From the later of last_seen and watch_from to the first heartbeat after it."""

    __table_args__ = (
        one_of("reason", "silent goodbye run"),
        one_of("end_reason", "heard paused removed"),
        check("ended", "(ended_at IS NULL) = (end_reason IS NULL)"),
        check("span", "ended_at >= started_at"),
        UniqueConstraint("opened_by"),
        index("outages_open", "machine_id", where="ended_at IS NULL", unique=True),
        index("outages_machine", "machine_id", "id"),
        index("outages_closed", "closed_by", where="closed_by IS NOT NULL"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    machine_id: int = Field(foreign_key="machines.id")
    started_at: datetime
    detected_at: datetime
    ended_at: datetime | None = None
    reason: str = text_column()
    end_reason: str | None = text_column(null=True)
    opened_by: int = Field(foreign_key="events.id")
    closed_by: int | None = Field(default=None, foreign_key="events.id")
    acked_at: datetime | None = None
    acked_by: str | None = text_column(null=True)


class MachineOfflineNotifications(Base, table=True):
    """A row exactly while the machine has an open outage. `notified_at`: committed to the outbox."""

    __tablename__ = "machine_offline_notifications"
    __table_args__ = (index("machine_offline_notifications_event", "event_id"),)
    machine_id: int = Field(
        primary_key=True, foreign_key="machines.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    notified_at: datetime
    event_id: int = Field(foreign_key="events.id")
