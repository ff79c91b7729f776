"""The tables, as SQLModel classes. The schema people have is made by `lastseen.migrations`; a test holds them equal.

Times are aware UTC: on SQLite fixed-width text with six decimals, so that comparing texts compares times. Every state
has a CHECK; what plugins define (types, kinds) is data and has none. Ids are never used again (AUTOINCREMENT); machines
and channels are soft-deleted. The tables have a registry of their own: a host's `SQLModel.metadata` stays its own.
"""

from sqlalchemy import BigInteger, Integer

from lastseen.storage.tables.channels import Channels, ChannelState, Invites, Silences
from lastseen.storage.tables.columns import Base, metadata
from lastseen.storage.tables.events import Events, MachineOfflineNotifications, Outages
from lastseen.storage.tables.intervals import IntervalCounts, IntervalHearers, IntervalParts, IntervalTurns
from lastseen.storage.tables.keys import MachineApiKeys, Refusals
from lastseen.storage.tables.machines import Kinds, LatestReports, Liveness, Machines, MachineTags, Reports, Runs
from lastseen.storage.tables.outbox import DeliveryAttemptItems, DeliveryAttempts, Notifications
from lastseen.storage.tables.people import AuditLog, LinkTokens, Sessions, Users
from lastseen.storage.tables.processes import Leases, Meta, Nodes
from lastseen.storage.tables.public import Badges, StatusPages
from lastseen.storage.tables.sources import BlindPeriods, MachineIdentities, SourceListeners, Sources, Strangers

WIDE = {
    "events": ("id", "incident_id"),
    "outages": ("id", "opened_by", "closed_by"),
    "machine_offline_notifications": ("event_id",),
    "notifications": ("id", "event_id"),
    "delivery_attempts": ("id",),
    "delivery_attempt_items": ("attempt_id", "notification_id"),
    "reports": ("id",),
    "runs": ("id",),
    "audit_log": ("id",),
}
"""Ids that a big fleet uses up: of eight bytes where a database makes a difference."""

for _table, _columns in WIDE.items():
    for _column in _columns:
        metadata.tables[_table].c[_column].type = BigInteger().with_variant(Integer(), "sqlite")

__all__ = [
    "AuditLog",
    "Badges",
    "Base",
    "BlindPeriods",
    "ChannelState",
    "Channels",
    "DeliveryAttemptItems",
    "DeliveryAttempts",
    "Events",
    "IntervalCounts",
    "IntervalHearers",
    "IntervalParts",
    "IntervalTurns",
    "Invites",
    "Kinds",
    "LatestReports",
    "Leases",
    "LinkTokens",
    "Liveness",
    "MachineApiKeys",
    "MachineIdentities",
    "MachineOfflineNotifications",
    "MachineTags",
    "Machines",
    "Meta",
    "Nodes",
    "Notifications",
    "Outages",
    "Refusals",
    "Reports",
    "Runs",
    "Sessions",
    "Silences",
    "SourceListeners",
    "Sources",
    "StatusPages",
    "Strangers",
    "Users",
    "metadata",
]
