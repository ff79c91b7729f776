"""The tables, as SQLModel classes. The schema people have is made by `lastseen.migrations`; a test holds them equal.

Times are aware UTC: on SQLite fixed-width text with six decimals, so that comparing texts compares times. Every state
has a CHECK; what plugins define (types, kinds) is data and has none. Ids are never used again (AUTOINCREMENT); machines
and channels are soft-deleted. The tables have a registry of their own: a host's `SQLModel.metadata` stays its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, MetaData, Text, UniqueConstraint, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

NAMES = {
    "ix": "%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)

OPEN = "state IN ('pending', 'sending')"
_COUNTED = {"sqlite_autoincrement": True}
_YES, _NO, _ZERO, _ONE = text("TRUE"), text("FALSE"), text("0"), text("1")


class Base(SQLModel, registry=registry(metadata=metadata)):
    """Rows are read and written with SQLAlchemy Core; the classes say what they are."""


def _check(name: str, condition: str) -> CheckConstraint:
    return CheckConstraint(text(condition), name=name)


def _one_of(column: str, words: str) -> CheckConstraint:
    return _check(column, f"{column} IN ({', '.join(repr(word) for word in words.split())})")


def _index(name: str, *columns: str, where: str | None = None, unique: bool = False) -> Index:
    condition: Any = text(where) if where else None
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _default(value: str) -> dict[str, Any]:
    return {"server_default": text(f"'{value}'")}


def _text(default: str | None = None, null: bool = False) -> Any:
    """A text column (never VARCHAR(n): lengths are checked where they are entered)."""
    server = None if default is None else text(f"'{default}'")
    return Field(default=default, sa_column=Column(Text, nullable=null, server_default=server))


class Meta(Base, table=True):
    """schema_compat (oldest program allowed), keys_version, slugs_version, key_check, default_offline_after_s."""

    key: str = Field(sa_column=Column(Text, primary_key=True))
    value: str = _text()


class Kinds(Base, table=True):
    """Durations in seconds; 0 = never, NULL = the default threshold."""

    __table_args__ = (_check("offline_after", "offline_after_s BETWEEN 0 AND 31536000"),)
    name: str = Field(sa_column=Column(Text, primary_key=True))
    offline_after_s: float | None = None
    every_s: float | None = None


class Users(Base, table=True):
    __table_args__ = (_one_of("role", "admin member viewer"), UniqueConstraint("name"), _COUNTED)
    id: int | None = Field(default=None, primary_key=True)
    name: str = _text()
    role: str = _text()
    created_at: datetime


class Nodes(Base, table=True):
    id: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = _text()
    version: str = _text()
    started_at: datetime
    alive_at: datetime


class Leases(Base, table=True):
    """Lanes. A token only grows, and rows stay, or the fence would begin again."""

    name: str = Field(sa_column=Column(Text, primary_key=True))
    owner: str = _text()
    token: int
    until: datetime


class Sources(Base, table=True):
    """The id is the bit in liveness.heard."""

    __table_args__ = (_check("bit", "id BETWEEN 0 AND 62"), UniqueConstraint("name"))
    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = _text()
    kind: str = _text()
    config: str = _text("{}")
    secrets: str | None = _text(null=True)
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
        _one_of("reason", "stopped stalled link clock store uplink listener_lost"),
        _check("span", "ended_at >= started_at"),
        UniqueConstraint("source_id", "started_at", "reason"),
        _index("blind_periods_open", "source_id", "reason", where="ended_at IS NULL", unique=True),
        _index("blind_periods_end", "source_id", "ended_at"),
        _COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    source_id: int = Field(foreign_key="sources.id")
    started_at: datetime
    ended_at: datetime | None = None
    reason: str = _text()


class Machines(Base, table=True):
    """What people wrote. Thresholds in seconds: 0 = never, NULL = the kind's."""

    __table_args__ = (
        _check("slug", "length(slug) BETWEEN 1 AND 200"),
        _check("name", "length(name) BETWEEN 1 AND 200"),
        _check("offline_after", "offline_after_s >= 0"),
        UniqueConstraint("uid"),
        _index("machines_slug", "slug", where="deleted_at IS NULL", unique=True),
        _index("machines_kind", "kind"),
        _index("machines_group", "group_name"),
        _COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str = _text()
    slug: str = _text()
    name: str = _text()
    hostname: str = _text("")
    description: str = _text("")
    kind: str = Field(
        default="default", sa_column=Column(Text, ForeignKey("kinds.name"), nullable=False, **_default("default"))
    )
    group_name: str = _text("http")
    every_s: float | None = None
    offline_after_s: float | None = None
    schedule: str | None = _text(null=True)
    timezone: str | None = _text(null=True)
    grace_s: int | None = None
    max_runtime_s: float | None = None
    owner_id: int | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": _YES})
    resume_by_hand: bool = Field(default=False, sa_column_kwargs={"server_default": _NO})
    created_at: datetime
    deleted_at: datetime | None = None
    version: int = Field(default=1, sa_column_kwargs={"server_default": _ONE})


class MachineTags(Base, table=True):
    __tablename__ = "machine_tags"
    __table_args__ = (_index("machine_tags_tag", "tag"),)
    machine_id: int = Field(primary_key=True, foreign_key="machines.id", ondelete="CASCADE")
    tag: str = Field(sa_column=Column(Text, primary_key=True))


class MachineIdentities(Base, table=True):
    """Names that a source knows a machine by. `ignored`: a tombstone, not to be made again."""

    __tablename__ = "machine_identities"
    source_id: int = Field(primary_key=True, foreign_key="sources.id")
    external_id: str = Field(sa_column=Column(Text, primary_key=True))
    machine_id: int | None = Field(default=None, foreign_key="machines.id", ondelete="CASCADE")
    ignored: bool = Field(default=False, sa_column_kwargs={"server_default": _NO})


class MachineApiKeys(Base, table=True):
    __tablename__ = "machine_api_keys"
    __table_args__ = (
        _one_of("scope", "machine fleet api ping push"),
        _check("machine", "scope NOT IN ('machine', 'push') OR machine_id IS NOT NULL"),
        _check("shown", "scope IN ('ping', 'push') OR shown_cipher IS NULL"),
        UniqueConstraint("digest"),
        _COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    digest: str = _text()
    hint: str = _text()
    scope: str = _text()
    machine_id: int | None = Field(default=None, foreign_key="machines.id", ondelete="CASCADE")
    shown_cipher: str | None = _text(null=True)
    label: str = _text("")
    defaults: str = _text("{}")
    created_at: datetime
    first_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class Liveness(Base, table=True):
    """What the monitor knows: one narrow row a machine. A plain heartbeat rewrites last_seen and heard alone, which
    are in no index. `incident` is the uid of the event that opened the open incident."""

    __table_args__ = (
        _one_of("status", "provisioning online offline error paused"),
        _check("paused", "status <> 'paused' OR check_at IS NULL OR back_at IS NOT NULL"),
        _check("back", "back_at IS NULL OR check_at IS NOT NULL"),
        _index("liveness_due", "check_at", where="check_at IS NOT NULL"),
        _index("liveness_troubled", "status", where="status <> 'online'"),
        _index("liveness_expecting", "machine_id", where="expect_at IS NOT NULL"),
    )
    machine_id: int = Field(
        primary_key=True, foreign_key="machines.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    last_seen: datetime | None = None
    status: str = _text("provisioning")
    status_since: datetime
    watch_from: datetime
    check_at: datetime | None = None
    back_at: datetime | None = None
    goodbye_at: datetime | None = None
    expect_at: datetime | None = None
    run_due_at: datetime | None = None
    present: bool | None = None
    heard: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=_ZERO))
    heard_before: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=_ZERO))
    event_seq: int = Field(default=0, sa_column_kwargs={"server_default": _ZERO})
    incident: str | None = _text(null=True)
    flapping_since: datetime | None = None


class Reports(Base, table=True):
    """Signals; `pending` until a decision has seen them."""

    __table_args__ = (
        _one_of("kind", "alive ok error goodbye start note present absent"),
        _index("reports_pending", "machine_id", "id", where="pending"),
        _index("reports_machine", "machine_id", "id"),
        _COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    machine_id: int = Field(foreign_key="machines.id", ondelete="CASCADE")
    source_id: int = Field(foreign_key="sources.id")
    at: datetime
    said_at: datetime | None = None
    kind: str = _text()
    run_id: str | None = _text(null=True)
    exit_code: int | None = None
    body: str | None = _text(null=True)
    pending: bool = Field(default=False, sa_column_kwargs={"server_default": _NO})


class LatestReports(Base, table=True):
    __tablename__ = "latest_reports"
    machine_id: int = Field(
        primary_key=True, foreign_key="machines.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    at: datetime
    body: str = _text()


class Runs(Base, table=True):
    """Runs of jobs. Open while `ended_at` is NULL; `started_at` is NULL where only the end was told."""

    __table_args__ = (
        _one_of("outcome", "success fail overdue lost"),
        _check("ended", "ended_at IS NULL OR outcome IS NOT NULL"),
        _check("known", "started_at IS NOT NULL OR ended_at IS NOT NULL"),
        UniqueConstraint("uid"),
        _index("runs_machine", "machine_id", "id"),
        _COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str = _text()
    machine_id: int = Field(foreign_key="machines.id", ondelete="CASCADE")
    run: str | None = _text(null=True)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = _text(null=True)
    exit_code: int | None = None
    output: str = _text("")


class Strangers(Base, table=True):
    """What a source hears and cannot place. Bounded for each source."""

    __table_args__ = (_one_of("kind", "unknown malformed"),)
    source_id: int = Field(
        primary_key=True, foreign_key="sources.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    kind: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    detail: str = _text("")
    heard: int
    first_at: datetime
    last_at: datetime


class Channels(Base, table=True):
    __table_args__ = (
        _one_of("disabled_by", "person far_end"),
        _check("enabled", "enabled = (disabled_by IS NULL)"),
        _check("fallback", "fallback_id IS NULL OR fallback_id <> id"),
        UniqueConstraint("uid"),
        _index("channels_name", "name", where="deleted_at IS NULL", unique=True),
        _COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str = _text()
    type: str = _text()
    name: str = _text()
    config: str = _text()
    secrets: str | None = _text(null=True)
    prefs: str = _text("{}")
    owner_id: int | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": _YES})
    disabled_by: str | None = _text(null=True)
    disabled_reason: str | None = _text(null=True)
    fallback_id: int | None = Field(default=None, foreign_key="channels.id")
    created_at: datetime
    deleted_at: datetime | None = None
    version: int = Field(default=1, sa_column_kwargs={"server_default": _ONE})


class ChannelState(Base, table=True):
    """`ready_at`: end of the cool-down. `succeeded_at`: begin of the newest success."""

    __tablename__ = "channel_state"
    __table_args__ = (_index("channel_state_lane", "lane"),)
    channel_id: int = Field(
        primary_key=True, foreign_key="channels.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    lane: str = _text()
    ready_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = Field(default=0, sa_column_kwargs={"server_default": _ZERO})
    succeeded_at: datetime | None = None


class Events(Base, table=True):
    """Committed facts. Messages are rendered from the snapshot alone. The event that opens an incident refers to
    itself as incident_id."""

    __table_args__ = (
        _one_of("severity", "alert info"),
        _check("machine", "(machine_id IS NULL) = (seq IS NULL)"),
        UniqueConstraint("uid"),
        UniqueConstraint("machine_id", "seq"),
        _index("events_at", "at"),
        _index("events_incident", "incident_id", where="incident_id IS NOT NULL"),
        _COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    uid: str = _text()
    type: str = _text()
    severity: str = _text()
    at: datetime
    machine_id: int | None = Field(default=None, foreign_key="machines.id")
    seq: int | None = None
    source_id: int | None = Field(default=None, foreign_key="sources.id")
    channel_id: int | None = Field(default=None, foreign_key="channels.id")
    incident_id: int | None = Field(default=None, foreign_key="events.id")
    previous_status: str | None = _text(null=True)
    status: str | None = _text(null=True)
    reason: str = _text()
    last_seen: datetime | None = None
    snapshot: str = _text()


class Outages(Base, table=True):
    """From the later of last_seen and watch_from to the first heartbeat after it."""

    __table_args__ = (
        _one_of("reason", "silent goodbye run"),
        _one_of("end_reason", "heard paused removed"),
        _check("ended", "(ended_at IS NULL) = (end_reason IS NULL)"),
        _check("span", "ended_at >= started_at"),
        UniqueConstraint("opened_by"),
        _index("outages_open", "machine_id", where="ended_at IS NULL", unique=True),
        _index("outages_machine", "machine_id", "id"),
        _COUNTED,
    )
    id: int | None = Field(default=None, primary_key=True)
    machine_id: int = Field(foreign_key="machines.id")
    started_at: datetime
    detected_at: datetime
    ended_at: datetime | None = None
    reason: str = _text()
    end_reason: str | None = _text(null=True)
    opened_by: int = Field(foreign_key="events.id")
    closed_by: int | None = Field(default=None, foreign_key="events.id")
    acked_at: datetime | None = None
    acked_by: str | None = _text(null=True)


class MachineOfflineNotifications(Base, table=True):
    """A row exactly while the machine has an open outage. `notified_at`: committed to the outbox."""

    __tablename__ = "machine_offline_notifications"
    machine_id: int = Field(
        primary_key=True, foreign_key="machines.id", ondelete="CASCADE", sa_column_kwargs={"autoincrement": False}
    )
    notified_at: datetime
    event_id: int = Field(foreign_key="events.id")
