"""Invitations of chats, and how often known keys were refused. Frozen: imports nothing of lastseen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "invites",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.Column("used_by", sa.Text(), nullable=True),
        sa.CheckConstraint("(used_at IS NULL) = (used_by IS NULL)", name="ck_invites_used"),
        sa.PrimaryKeyConstraint("id", name="pk_invites"),
        sa.UniqueConstraint("digest", name="uq_invites_digest"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "refusals",
        sa.Column("key_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("hour", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.CheckConstraint("reason IN ('revoked', 'expired', 'disabled')", name="ck_refusals_reason"),
        sa.ForeignKeyConstraint(["key_id"], ["machine_api_keys.id"], name="fk_refusals_key_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key_id", "hour", "reason", name="pk_refusals"),
    )
    op.create_index("refusals_hour", "refusals", ["hour"])


def downgrade() -> None:
    op.drop_table("refusals")
    op.drop_table("invites")
