"""What everybody may look at, and how long machines let pass between two heartbeats. Frozen: imports nothing of
lastseen. A program of the schema before goes on beside it: only tables are new."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT, INT, BOOL, TIME = sa.Text(), sa.Integer(), sa.Boolean(), sa.DateTime(timezone=True)
COUNTED: Any = {"sqlite_autoincrement": True}
YES, NO = sa.text("TRUE"), sa.text("FALSE")


def upgrade() -> None:
    _intervals()
    _counts()
    _public()


def downgrade() -> None:
    for table in ("badges", "status_pages", "interval_counts", "interval_parts", "interval_hearers", "interval_turns"):
        op.drop_table(table)


def _machine(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=f"fk_{table}_machine_id", ondelete="CASCADE")


def _owner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=f"fk_{table}_owner_id", ondelete="SET NULL")


def _intervals() -> None:
    op.create_table(
        "interval_turns",
        sa.Column("id", INT, nullable=False),
        sa.Column("machine_id", INT, nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("asked", BOOL, nullable=False, server_default=NO),
        sa.Column("last_at", TIME, nullable=True),
        sa.Column("counted_until", TIME, nullable=True),
        sa.CheckConstraint("ends_at >= starts_at", name="ck_interval_turns_span"),
        _machine("interval_turns"),
        sa.PrimaryKeyConstraint("id", name="pk_interval_turns"),
        sa.UniqueConstraint("machine_id", name="uq_interval_turns_machine_id"),
        **COUNTED,
    )
    op.create_table(
        "interval_hearers",
        sa.Column("node", TEXT, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("node", name="pk_interval_hearers"),
    )
    op.create_table(
        "interval_parts",
        sa.Column("id", INT, nullable=False),
        sa.Column("node", TEXT, nullable=False),
        sa.Column("start_at", TIME, nullable=False),
        sa.Column("end_at", TIME, nullable=False),
        sa.Column("known", INT, nullable=False),
        sa.Column("heard", TEXT, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("lost", TEXT, nullable=True),
        sa.CheckConstraint("end_at >= start_at", name="ck_interval_parts_span"),
        sa.PrimaryKeyConstraint("id", name="pk_interval_parts"),
        **COUNTED,
    )


def _counts() -> None:
    op.create_table(
        "interval_counts",
        sa.Column("machine_id", INT, nullable=False, autoincrement=False),
        sa.Column("week", TIME, nullable=False),
        sa.Column("counts", TEXT, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        _machine("interval_counts"),
        sa.PrimaryKeyConstraint("machine_id", "week", name="pk_interval_counts"),
    )
    op.create_index("interval_counts_week", "interval_counts", ["week"])


def _public() -> None:
    op.create_table(
        "status_pages",
        sa.Column("id", INT, nullable=False),
        sa.Column("slug", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("lines", TEXT, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("is_public", BOOL, nullable=False, server_default=YES),
        sa.Column("is_listed", BOOL, nullable=False, server_default=NO),
        sa.Column("owner_id", INT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        _owner("status_pages"),
        sa.PrimaryKeyConstraint("id", name="pk_status_pages"),
        sa.UniqueConstraint("slug", name="uq_status_pages_slug"),
        **COUNTED,
    )
    op.create_table(
        "badges",
        sa.Column("id", INT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("label", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("shows", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("owner_id", INT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("shows IN ('status', 'uptime')", name="ck_badges_shows"),
        _owner("badges"),
        sa.PrimaryKeyConstraint("id", name="pk_badges"),
        sa.UniqueConstraint("key", name="uq_badges_key"),
        **COUNTED,
    )
