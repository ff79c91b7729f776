"""Who listened and when nobody could, and what machines are called there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Text, UniqueConstraint, text
from sqlmodel import Field

from lastseen.storage.tables.columns import COUNTED, NO, Base, check, index, one_of, text_column


class Sources(Base, table=True):
    """The id is the bit in liveness.heard."""

    __table_args__ = (check("bit", "id BETWEEN 0 AND 62"), UniqueConstraint("name"))
    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = text_column()
    kind: str = text_column()
    config: str = text_column("{}")
    secrets: str | None = text_column(null=True)
    # Read by nothing: how long a source may be blind is the same for all.
    blind_alert_after_s: int = Field(default=300, sa_column_kwargs={"server_default": text("300")})


class SourceListeners(Base, table=True):
    __tablename__ = "source_listeners"
    source_id: int = Field(primary_key=True, foreign_key="sources.id")
    node_id: str = Field(sa_column=Column(Text, primary_key=True))
    listening_since: datetime
    alive_at: datetime
    heard_until: datetime
    left_at: datetime | None = None


class BlindPeriods(Base, table=True):
    __tablename__ = "blind_periods"
    __table_args__ = (
        one_of("reason", "stopped stalled link clock store uplink listener_lost"),
        check("span", "ended_at >= started_at"),
        UniqueConstraint("source_id", "started_at", "reason"),
        index("blind_periods_open", "source_id", "reason", where="ended_at IS NULL", unique=True),
        index("blind_periods_end", "source_id", "ended_at"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    source_id: int = Field(foreign_key="sources.id")
    started_at: datetime
    ended_at: datetime | None = None
    reason: str = text_column()


class MachineIdentities(Base, table=True):
    """Names that a source knows a machine by. `ignored`: a tombstone, not to be made again."""

    __tablename__ = "machine_identities"
    source_id: int = Field(primary_key=True, foreign_key="sources.id")
    external_id: str = Field(sa_column=Column(Text, primary_key=True))
    machine_id: int | None = Field(default=None, foreign_key="machines.id", ondelete="CASCADE")
    ignored: bool = Field(default=False, sa_column_kwargs={"server_default": NO})


class Strangers(Base, table=True):
    """What a source hears and cannot place. Bounded for each source."""

    __table_args__ = (one_of("kind", "unknown malformed"),)
    source_id: int = Field(
        primary_key=True, foreign_key="sources.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    kind: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    detail: str = text_column("")
    heard: int
    first_at: datetime
    last_at: datetime
