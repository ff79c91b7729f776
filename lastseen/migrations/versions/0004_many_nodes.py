"""What PostgreSQL needs for a big fleet: ids that last, and room in a page for the next heartbeat. Frozen: imports
nothing of lastseen. Nothing changes in SQLite."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WIDE = (
    ("events", "id"),
    ("events", "incident_id"),
    ("outages", "id"),
    ("outages", "opened_by"),
    ("outages", "closed_by"),
    ("machine_offline_notifications", "event_id"),
    ("notifications", "id"),
    ("notifications", "event_id"),
    ("delivery_attempts", "id"),
    ("delivery_attempt_items", "attempt_id"),
    ("delivery_attempt_items", "notification_id"),
    ("reports", "id"),
    ("runs", "id"),
)

ROOM = {
    "liveness": "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1",
    "latest_reports": "fillfactor = 70",
    "notifications": "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05",
    "channel_state": "fillfactor = 50",
    "leases": "fillfactor = 50",
    "source_listeners": "fillfactor = 50",
}


def _on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def upgrade() -> None:
    if not _on_postgresql():
        return
    for table, column in WIDE:
        op.alter_column(table, column, type_=sa.BigInteger())
    for table in ("events", "outages", "notifications", "delivery_attempts", "reports", "runs"):
        op.execute(f"ALTER SEQUENCE {table}_id_seq AS bigint")
    for table, settings in ROOM.items():
        op.execute(f"ALTER TABLE {table} SET ({settings})")


def downgrade() -> None:
    if not _on_postgresql():
        return
    for table in ROOM:
        op.execute(f"ALTER TABLE {table} RESET (fillfactor, autovacuum_vacuum_scale_factor)")
    for table, column in WIDE:
        op.alter_column(table, column, type_=sa.Integer())
