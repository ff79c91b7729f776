"""Jobs and their runs, brokers' words, what a source hears and cannot place. Frozen: imports nothing of lastseen."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
COUNTED = {"sqlite_autoincrement": True}
KNOWN = "'alive', 'ok', 'error', 'goodbye', 'start', 'note'"


def _recreate() -> Literal["always", "never"]:
    """SQLite changes little of a table that is there: it is made anew."""
    return "always" if op.get_bind().dialect.name == "sqlite" else "never"


def _after(column: str) -> str | None:
    return column if _recreate() == "always" else None


def upgrade() -> None:
    with op.batch_alter_table("machines", recreate=_recreate(), table_kwargs=COUNTED) as machines:
        machines.add_column(sa.Column("max_runtime_s", sa.Float(), nullable=True), insert_after=_after("grace_s"))
    with op.batch_alter_table("reports", recreate=_recreate(), table_kwargs=COUNTED) as reports:
        reports.drop_constraint("ck_reports_kind", type_="check")
        reports.create_check_constraint("ck_reports_kind", sa.text(f"kind IN ({KNOWN}, 'present', 'absent')"))
        reports.add_column(sa.Column("exit_code", sa.Integer(), nullable=True), insert_after=_after("run_id"))
    expecting = sa.text("expect_at IS NOT NULL")
    op.create_index(
        "liveness_expecting", "liveness", ["machine_id"], sqlite_where=expecting, postgresql_where=expecting
    )
    _runs()
    _strangers()


def downgrade() -> None:
    """Reports that the first schema does not know are left out."""
    op.drop_table("strangers")
    op.drop_table("runs")
    op.drop_index("liveness_expecting", table_name="liveness")
    op.execute("DELETE FROM reports WHERE kind IN ('present', 'absent')")
    with op.batch_alter_table("reports", recreate=_recreate(), table_kwargs=COUNTED) as reports:
        reports.drop_column("exit_code")
        reports.drop_constraint("ck_reports_kind", type_="check")
        reports.create_check_constraint("ck_reports_kind", sa.text(f"kind IN ({KNOWN})"))
    with op.batch_alter_table("machines", recreate=_recreate(), table_kwargs=COUNTED) as machines:
        machines.drop_column("max_runtime_s")


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("machine_id", sa.Integer(), nullable=False),
        sa.Column("run", sa.Text(), nullable=True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("output", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.CheckConstraint("outcome IN ('success', 'fail', 'overdue', 'lost')", name="ck_runs_outcome"),
        sa.CheckConstraint("ended_at IS NULL OR outcome IS NOT NULL", name="ck_runs_ended"),
        sa.CheckConstraint("started_at IS NOT NULL OR ended_at IS NOT NULL", name="ck_runs_known"),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_runs_machine_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("uid", name="uq_runs_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("runs_machine", "runs", ["machine_id", "id"])


def _strangers() -> None:
    op.create_table(
        "strangers",
        sa.Column("source_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("heard", sa.Integer(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('unknown', 'malformed')", name="ck_strangers_kind"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_strangers_source_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", "kind", "name", name="pk_strangers"),
    )
