"""People: how they log in, who is logged in, what keys of theirs may, and who did what. Frozen: imports nothing of
lastseen. A program of the schema before goes on beside it: nothing that it writes has changed."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT, INT, BIG = sa.Text(), sa.Integer(), sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
COUNTED: Any = {"sqlite_autoincrement": True}


def _recreate() -> Literal["always", "never"]:
    """SQLite changes little of a table that is there: it is made anew."""
    return "always" if op.get_bind().dialect.name == "sqlite" else "never"


def upgrade() -> None:
    _users()
    with op.batch_alter_table("machine_api_keys", recreate=_recreate(), table_kwargs=COUNTED) as keys:
        keys.add_column(sa.Column("user_id", INT, nullable=True))
        keys.add_column(sa.Column("may", TEXT, nullable=True))
        keys.add_column(sa.Column("last_used_at", TIME, nullable=True))
        keys.create_foreign_key("fk_machine_api_keys_user_id", "users", ["user_id"], ["id"], ondelete="CASCADE")
        keys.create_check_constraint("ck_machine_api_keys_may", sa.text("may IN ('read', 'write')"))
    owned = sa.text("user_id IS NOT NULL")
    op.create_index(
        "machine_api_keys_user", "machine_api_keys", ["user_id"], sqlite_where=owned, postgresql_where=owned
    )
    _logged_in()
    _done()


def downgrade() -> None:
    """Keys that people made go with what says whose they are: without it they would be anybody's."""
    for table in ("audit_log", "link_tokens", "sessions"):
        op.drop_table(table)
    op.execute("DELETE FROM machine_api_keys WHERE user_id IS NOT NULL")
    op.drop_index("machine_api_keys_user", "machine_api_keys")
    with op.batch_alter_table("machine_api_keys", recreate=_recreate(), table_kwargs=COUNTED) as keys:
        keys.drop_constraint("ck_machine_api_keys_may", type_="check")
        keys.drop_constraint("fk_machine_api_keys_user_id", type_="foreignkey")
        for column in ("last_used_at", "may", "user_id"):
            keys.drop_column(column)
    with op.batch_alter_table("users", recreate=_recreate(), table_kwargs=COUNTED) as users:
        users.drop_constraint("uq_users_folded", type_="unique")
        for column in ("last_in_at", "password", "folded"):
            users.drop_column(column)


def _users() -> None:
    """`folded`: the name by which nobody else may be called, whatever its case."""
    with op.batch_alter_table("users", recreate=_recreate(), table_kwargs=COUNTED) as users:
        users.add_column(sa.Column("folded", TEXT, nullable=True))
        users.add_column(sa.Column("password", TEXT, nullable=True))
        users.add_column(sa.Column("last_in_at", TIME, nullable=True))
    op.execute("UPDATE users SET folded = lower(name)")
    with op.batch_alter_table("users", recreate=_recreate(), table_kwargs=COUNTED) as users:
        users.alter_column("folded", existing_type=TEXT, nullable=False)
        users.create_unique_constraint("uq_users_folded", ["folded"])


def _logged_in() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", INT, nullable=False),
        sa.Column("user_id", INT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("address", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("agent", TEXT, nullable=False, server_default=sa.text("''")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("digest", name="uq_sessions_digest"),
        **COUNTED,
    )
    op.create_index("sessions_user", "sessions", ["user_id"])
    op.create_table(
        "link_tokens",
        sa.Column("id", INT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("user_id", INT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.CheckConstraint("purpose IN ('setup', 'password')", name="ck_link_tokens_purpose"),
        sa.CheckConstraint("(purpose = 'setup') = (user_id IS NULL)", name="ck_link_tokens_user"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_link_tokens_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_link_tokens"),
        sa.UniqueConstraint("digest", name="uq_link_tokens_digest"),
        **COUNTED,
    )


def _done() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", BIG, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("who", TEXT, nullable=False),
        sa.Column("user_id", INT, nullable=True),
        sa.Column("verb", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("through", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("address", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("changed", TEXT, nullable=False, server_default=sa.text("'{}'")),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
        **COUNTED,
    )
    op.create_index("audit_log_subject", "audit_log", ["subject", "id"])
