"""Finding what refers to an event that is to go: without these two indexes each one that goes reads all outages.
Frozen: imports nothing of lastseen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CLOSED = sa.text("closed_by IS NOT NULL")


def upgrade() -> None:
    op.create_index("outages_closed", "outages", ["closed_by"], sqlite_where=CLOSED, postgresql_where=CLOSED)
    op.create_index("machine_offline_notifications_event", "machine_offline_notifications", ["event_id"])


def downgrade() -> None:
    op.drop_index("machine_offline_notifications_event", "machine_offline_notifications")
    op.drop_index("outages_closed", "outages")
