"""Machines: what people wrote of them, what the monitor knows, and what they said."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, ForeignKey, Text, UniqueConstraint, text
from sqlmodel import Field

from lastseen.storage.tables.columns import COUNTED, NO, ONE, YES, ZERO, Base, check, index, one_of, text_column


class Kinds(Base, table=True):
    """Durations in seconds; 0 = never, NULL = the default threshold."""

    __table_args__ = (check("offline_after", "offline_after_s BETWEEN 0 AND 31536000"),)
    name: str = Field(sa_column=Column(Text, primary_key=True))
    offline_after_s: float | None = None
    every_s: float | None = None


class Machines(Base, table=True):
    """What people wrote. Thresholds in seconds: 0 = never, NULL = the kind's."""

    __table_args__ = (
        check("slug", "length(slug) BETWEEN 1 AND 200"),
        check("name", "length(name) BETWEEN 1 AND 200"),
        check("offline_after", "offline_after_s >= 0"),
        UniqueConstraint("uid"),
        index("machines_slug", "slug", where="deleted_at IS NULL", unique=True),
        index("machines_kind", "kind"),
        index("machines_group", "group_name"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str = text_column()
    slug: str = text_column()
    name: str = text_column()
    hostname: str = text_column("")
    description: str = text_column("")
    kind: str = Field(
        default="default",
        sa_column=Column(Text, ForeignKey("kinds.name"), nullable=False, server_default=text("'default'")),
    )
    group_name: str = text_column("http")
    every_s: float | None = None
    offline_after_s: float | None = None
    schedule: str | None = text_column(null=True)
    timezone: str | None = text_column(null=True)
    grace_s: int | None = None
    max_runtime_s: float | None = None
    owner_id: int | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": YES})
    resume_by_hand: bool = Field(default=False, sa_column_kwargs={"server_default": NO})
    created_at: datetime
    deleted_at: datetime | None = None
    version: int = Field(default=1, sa_column_kwargs={"server_default": ONE})


class MachineTags(Base, table=True):
    __tablename__ = "machine_tags"
    __table_args__ = (index("machine_tags_tag", "tag"),)
    machine_id: int = Field(primary_key=True, foreign_key="machines.id", ondelete="CASCADE")
    tag: str = Field(sa_column=Column(Text, primary_key=True))


class Liveness(Base, table=True):
    """What the monitor knows: one narrow row a machine. A plain heartbeat rewrites last_seen and heard alone, which
    are in no index. `incident` is the uid of the event that opened the open incident."""

    __table_args__ = (
        one_of("status", "provisioning online offline error paused"),
        check("paused", "status <> 'paused' OR check_at IS NULL OR back_at IS NOT NULL"),
        check("back", "back_at IS NULL OR check_at IS NOT NULL"),
        index("liveness_due", "check_at", where="check_at IS NOT NULL"),
        index("liveness_troubled", "status", where="status <> 'online'"),
        index("liveness_expecting", "machine_id", where="expect_at IS NOT NULL"),
    )
    machine_id: int = Field(
        primary_key=True, foreign_key="machines.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    last_seen: datetime | None = None
    status: str = text_column("provisioning")
    status_since: datetime
    watch_from: datetime
    check_at: datetime | None = None
    back_at: datetime | None = None
    goodbye_at: datetime | None = None
    expect_at: datetime | None = None
    run_due_at: datetime | None = None
    present: bool | None = None
    heard: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=ZERO))
    heard_before: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=ZERO))
    event_seq: int = Field(default=0, sa_column_kwargs={"server_default": ZERO})
    incident: str | None = text_column(null=True)
    flapping_since: datetime | None = None


class Reports(Base, table=True):
    """Signals; `pending` until a decision has seen them."""

    __table_args__ = (
        one_of("kind", "alive ok error goodbye start note present absent"),
        index("reports_pending", "machine_id", "id", where="pending"),
        index("reports_machine", "machine_id", "id"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    machine_id: int = Field(foreign_key="machines.id", ondelete="CASCADE")
    source_id: int = Field(foreign_key="sources.id")
    at: datetime
    said_at: datetime | None = None
    kind: str = text_column()
    run_id: str | None = text_column(null=True)
    exit_code: int | None = None
    body: str | None = text_column(null=True)
    pending: bool = Field(default=False, sa_column_kwargs={"server_default": NO})


class LatestReports(Base, table=True):
    __tablename__ = "latest_reports"
    machine_id: int = Field(
        primary_key=True, foreign_key="machines.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    at: datetime
    body: str = text_column()


class Runs(Base, table=True):
    """Runs of jobs. Open while `ended_at` is NULL; `started_at` is NULL where only the end was told."""

    __table_args__ = (
        one_of("outcome", "success fail overdue lost"),
        check("ended", "ended_at IS NULL OR outcome IS NOT NULL"),
        check("known", "started_at IS NOT NULL OR ended_at IS NOT NULL"),
        UniqueConstraint("uid"),
        index("runs_machine", "machine_id", "id"),
        COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str = text_column()
    machine_id: int = Field(foreign_key="machines.id", ondelete="CASCADE")
    run: str | None = text_column(null=True)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = text_column(null=True)
    exit_code: int | None = None
    output: str = text_column("")
