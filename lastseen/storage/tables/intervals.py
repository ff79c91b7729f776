"""Intervals between heartbeats: whose turn it is, what was heard and is not counted yet, and what was counted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Text, UniqueConstraint
from sqlmodel import Field

from lastseen.storage.tables.columns import COUNTED, NO, Base, check, index, text_column


class IntervalTurns(Base, table=True):
    __tablename__ = "interval_turns"
    __table_args__ = (check("span", "ends_at >= starts_at"), UniqueConstraint("machine_id"), COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    machine_id: int = Field(foreign_key="machines.id", ondelete="CASCADE")
    starts_at: datetime
    ends_at: datetime
    asked: bool = Field(default=False, sa_column_kwargs={"server_default": NO})
    last_at: datetime | None = None
    counted_until: datetime | None = None


class IntervalHearers(Base, table=True):
    """Processes that listen. What each heard until then is in `interval_parts`, or counted."""

    __tablename__ = "interval_hearers"
    node: str = Field(sa_column=Column(Text, primary_key=True))
    until: datetime


class IntervalParts(Base, table=True):
    """`heard`: microseconds from `start_at` on, by machine. `lost`: ids; NULL: all."""

    __tablename__ = "interval_parts"
    __table_args__ = (check("span", "end_at >= start_at"), COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    node: str = text_column()
    start_at: datetime
    end_at: datetime
    known: int
    heard: str = text_column("{}")
    lost: str | None = text_column(null=True)


class IntervalCounts(Base, table=True):
    """`counts`: how many, by bucket."""

    __tablename__ = "interval_counts"
    __table_args__ = (index("interval_counts_week", "week"),)
    machine_id: int = Field(
        primary_key=True, foreign_key="machines.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    week: datetime = Field(primary_key=True)
    counts: str = text_column()
    seconds: float
    first_at: datetime
    last_at: datetime
