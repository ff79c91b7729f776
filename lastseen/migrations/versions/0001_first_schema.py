"""The first schema. Frozen: imports nothing from lastseen.

Times are aware UTC (on SQLite fixed-width text with six decimals), durations seconds. Every state has a CHECK; what
plugins define is data. Ids are never used again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT, INT, BIG, REAL, BOOL = sa.Text(), sa.Integer(), sa.BigInteger(), sa.Float(), sa.Boolean()
TIME = sa.DateTime(timezone=True)
COUNTED: Any = {"sqlite_autoincrement": True}


def upgrade() -> None:
    _people_and_machines()
    _channels_and_events()
    _outbox()
    _first_rows()


def downgrade() -> None:
    """There is nothing before the first schema: going back removes everything."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _col(name: str, kind: Any, null: bool = False, default: str | None = None, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null, server_default=sa.text(default) if default else None, **more)


def _index(name: str, table: str, columns: str, where: str | None = None, unique: bool = False) -> None:
    condition = sa.text(where) if where else None
    op.create_index(name, table, columns.split(", "), unique=unique, sqlite_where=condition, postgresql_where=condition)


def _first_rows() -> None:
    def table(name: str, *columns: str) -> sa.TableClause:
        return sa.table(name, *(sa.column(column) for column in columns))

    names = ("default", "server", "device", "job")
    op.bulk_insert(table("kinds", "name"), [{"name": name} for name in names])
    op.bulk_insert(table("sources", "id", "name", "kind"), [{"id": 0, "name": "http", "kind": "http"}])
    rows = {"schema_compat": "1", "keys_version": "0", "slugs_version": "0"}
    op.bulk_insert(table("meta", "key", "value"), [{"key": key, "value": value} for key, value in rows.items()])


TABLES = [
    "meta",
    "kinds",
    "users",
    "nodes",
    "leases",
    "sources",
    "source_listeners",
    "blind_periods",
    "machines",
    "machine_tags",
    "machine_identities",
    "machine_api_keys",
    "liveness",
    "reports",
    "latest_reports",
    "channels",
    "channel_state",
    "events",
    "outages",
    "machine_offline_notifications",
    "notifications",
    "delivery_attempts",
    "delivery_attempt_items",
    "silences",
]


def _people_and_machines() -> None:
    op.create_table("meta", _col("key", TEXT), _col("value", TEXT), sa.PrimaryKeyConstraint("key", name="pk_meta"))
    op.create_table(
        "kinds",
        _col("name", TEXT),
        _col("offline_after_s", REAL, null=True),
        _col("every_s", REAL, null=True),
        sa.CheckConstraint("offline_after_s BETWEEN 0 AND 31536000", name="ck_kinds_offline_after"),
        sa.PrimaryKeyConstraint("name", name="pk_kinds"),
    )
    op.create_table(
        "users",
        _col("id", INT),
        _col("name", TEXT),
        _col("role", TEXT),
        _col("created_at", TIME),
        sa.CheckConstraint("role IN ('admin', 'member', 'viewer')", name="ck_users_role"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
        **COUNTED,
    )
    op.create_table(
        "nodes",
        _col("id", TEXT),
        _col("name", TEXT),
        _col("version", TEXT),
        _col("started_at", TIME),
        _col("alive_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_nodes"),
    )
    op.create_table(
        "leases",
        _col("name", TEXT),
        _col("owner", TEXT),
        _col("token", INT),
        _col("until", TIME),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "sources",
        _col("id", INT, autoincrement=False),
        _col("name", TEXT),
        _col("kind", TEXT),
        _col("config", TEXT, default="'{}'"),
        _col("secrets", TEXT, null=True),
        _col("blind_alert_after_s", INT, default="300"),
        sa.CheckConstraint("id BETWEEN 0 AND 62", name="ck_sources_bit"),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
        sa.UniqueConstraint("name", name="uq_sources_name"),
    )
    op.create_table(
        "source_listeners",
        _col("source_id", INT),
        _col("node_id", TEXT),
        _col("listening_since", TIME),
        _col("alive_at", TIME),
        _col("heard_until", TIME),
        _col("left_at", TIME, null=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_source_listeners_source_id"),
        sa.PrimaryKeyConstraint("source_id", "node_id", name="pk_source_listeners"),
    )
    op.create_table(
        "blind_periods",
        _col("id", INT),
        _col("source_id", INT),
        _col("started_at", TIME),
        _col("ended_at", TIME, null=True),
        _col("reason", TEXT),
        sa.CheckConstraint(
            "reason IN ('stopped', 'stalled', 'link', 'clock', 'store', 'uplink', 'listener_lost')",
            name="ck_blind_periods_reason",
        ),
        sa.CheckConstraint("ended_at >= started_at", name="ck_blind_periods_span"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_blind_periods_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_blind_periods"),
        sa.UniqueConstraint("source_id", "started_at", "reason", name="uq_blind_periods_source_id_started_at_reason"),
        **COUNTED,
    )
    _index("blind_periods_end", "blind_periods", "source_id, ended_at")
    _index("blind_periods_open", "blind_periods", "source_id, reason", where="ended_at IS NULL", unique=True)
    op.create_table(
        "machines",
        _col("id", INT),
        _col("uid", TEXT),
        _col("slug", TEXT),
        _col("name", TEXT),
        _col("hostname", TEXT, default="''"),
        _col("description", TEXT, default="''"),
        _col("kind", TEXT, default="'default'"),
        _col("group_name", TEXT, default="'http'"),
        _col("every_s", REAL, null=True),
        _col("offline_after_s", REAL, null=True),
        _col("schedule", TEXT, null=True),
        _col("timezone", TEXT, null=True),
        _col("grace_s", INT, null=True),
        _col("owner_id", INT, null=True),
        _col("enabled", BOOL, default="TRUE"),
        _col("resume_by_hand", BOOL, default="FALSE"),
        _col("created_at", TIME),
        _col("deleted_at", TIME, null=True),
        _col("version", INT, default="1"),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name="ck_machines_name"),
        sa.CheckConstraint("length(slug) BETWEEN 1 AND 200", name="ck_machines_slug"),
        sa.CheckConstraint("offline_after_s >= 0", name="ck_machines_offline_after"),
        sa.ForeignKeyConstraint(["kind"], ["kinds.name"], name="fk_machines_kind"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_machines_owner_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_machines"),
        sa.UniqueConstraint("uid", name="uq_machines_uid"),
        **COUNTED,
    )
    _index("machines_group", "machines", "group_name")
    _index("machines_kind", "machines", "kind")
    _index("machines_slug", "machines", "slug", where="deleted_at IS NULL", unique=True)
    op.create_table(
        "machine_tags",
        _col("machine_id", INT),
        _col("tag", TEXT),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_machine_tags_machine_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("machine_id", "tag", name="pk_machine_tags"),
    )
    _index("machine_tags_tag", "machine_tags", "tag")
    op.create_table(
        "machine_identities",
        _col("source_id", INT),
        _col("external_id", TEXT),
        _col("machine_id", INT, null=True),
        _col("ignored", BOOL, default="FALSE"),
        sa.ForeignKeyConstraint(
            ["machine_id"], ["machines.id"], name="fk_machine_identities_machine_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_machine_identities_source_id"),
        sa.PrimaryKeyConstraint("source_id", "external_id", name="pk_machine_identities"),
    )
    op.create_table(
        "machine_api_keys",
        _col("id", INT),
        _col("digest", TEXT),
        _col("hint", TEXT),
        _col("scope", TEXT),
        _col("machine_id", INT, null=True),
        _col("shown_cipher", TEXT, null=True),
        _col("label", TEXT, default="''"),
        _col("defaults", TEXT, default="'{}'"),
        _col("created_at", TIME),
        _col("first_used_at", TIME, null=True),
        _col("expires_at", TIME, null=True),
        _col("revoked_at", TIME, null=True),
        sa.CheckConstraint("scope IN ('machine', 'fleet', 'api', 'ping', 'push')", name="ck_machine_api_keys_scope"),
        sa.CheckConstraint("scope IN ('ping', 'push') OR shown_cipher IS NULL", name="ck_machine_api_keys_shown"),
        sa.CheckConstraint(
            "scope NOT IN ('machine', 'push') OR machine_id IS NOT NULL", name="ck_machine_api_keys_machine"
        ),
        sa.ForeignKeyConstraint(
            ["machine_id"], ["machines.id"], name="fk_machine_api_keys_machine_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_machine_api_keys"),
        sa.UniqueConstraint("digest", name="uq_machine_api_keys_digest"),
        **COUNTED,
    )
    op.create_table(
        "liveness",
        _col("machine_id", INT, autoincrement=False),
        _col("last_seen", TIME, null=True),
        _col("status", TEXT, default="'provisioning'"),
        _col("status_since", TIME),
        _col("watch_from", TIME),
        _col("check_at", TIME, null=True),
        _col("back_at", TIME, null=True),
        _col("goodbye_at", TIME, null=True),
        _col("expect_at", TIME, null=True),
        _col("run_due_at", TIME, null=True),
        _col("present", BOOL, null=True),
        _col("heard", BIG, default="0"),
        _col("heard_before", BIG, default="0"),
        _col("event_seq", INT, default="0"),
        _col("incident", TEXT, null=True),
        _col("flapping_since", TIME, null=True),
        sa.CheckConstraint("status <> 'paused' OR check_at IS NULL OR back_at IS NOT NULL", name="ck_liveness_paused"),
        sa.CheckConstraint(
            "status IN ('provisioning', 'online', 'offline', 'error', 'paused')", name="ck_liveness_status"
        ),
        sa.CheckConstraint("back_at IS NULL OR check_at IS NOT NULL", name="ck_liveness_back"),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_liveness_machine_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("machine_id", name="pk_liveness"),
    )
    _index("liveness_due", "liveness", "check_at", where="check_at IS NOT NULL")
    _index("liveness_troubled", "liveness", "status", where="status <> 'online'")
    op.create_table(
        "reports",
        _col("id", INT),
        _col("machine_id", INT),
        _col("source_id", INT),
        _col("at", TIME),
        _col("said_at", TIME, null=True),
        _col("kind", TEXT),
        _col("run_id", TEXT, null=True),
        _col("body", TEXT, null=True),
        _col("pending", BOOL, default="FALSE"),
        sa.CheckConstraint("kind IN ('alive', 'ok', 'error', 'goodbye', 'start', 'note')", name="ck_reports_kind"),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_reports_machine_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_reports_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
        **COUNTED,
    )
    _index("reports_machine", "reports", "machine_id, id")
    _index("reports_pending", "reports", "machine_id, id", where="pending")
    op.create_table(
        "latest_reports",
        _col("machine_id", INT, autoincrement=False),
        _col("at", TIME),
        _col("body", TEXT),
        sa.ForeignKeyConstraint(
            ["machine_id"], ["machines.id"], name="fk_latest_reports_machine_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("machine_id", name="pk_latest_reports"),
    )


def _channels_and_events() -> None:
    op.create_table(
        "channels",
        _col("id", INT),
        _col("uid", TEXT),
        _col("type", TEXT),
        _col("name", TEXT),
        _col("config", TEXT),
        _col("secrets", TEXT, null=True),
        _col("prefs", TEXT, default="'{}'"),
        _col("owner_id", INT, null=True),
        _col("enabled", BOOL, default="TRUE"),
        _col("disabled_by", TEXT, null=True),
        _col("disabled_reason", TEXT, null=True),
        _col("fallback_id", INT, null=True),
        _col("created_at", TIME),
        _col("deleted_at", TIME, null=True),
        _col("version", INT, default="1"),
        sa.CheckConstraint("disabled_by IN ('person', 'far_end')", name="ck_channels_disabled_by"),
        sa.CheckConstraint("enabled = (disabled_by IS NULL)", name="ck_channels_enabled"),
        sa.CheckConstraint("fallback_id IS NULL OR fallback_id <> id", name="ck_channels_fallback"),
        sa.ForeignKeyConstraint(["fallback_id"], ["channels.id"], name="fk_channels_fallback_id"),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_channels_owner_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_channels"),
        sa.UniqueConstraint("uid", name="uq_channels_uid"),
        **COUNTED,
    )
    _index("channels_name", "channels", "name", where="deleted_at IS NULL", unique=True)
    op.create_table(
        "channel_state",
        _col("channel_id", INT, autoincrement=False),
        _col("lane", TEXT),
        _col("ready_at", TIME, null=True),
        _col("failing_since", TIME, null=True),
        _col("failures", INT, default="0"),
        _col("succeeded_at", TIME, null=True),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name="fk_channel_state_channel_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("channel_id", name="pk_channel_state"),
    )
    _index("channel_state_lane", "channel_state", "lane")
    op.create_table(
        "events",
        _col("id", INT),
        _col("uid", TEXT),
        _col("type", TEXT),
        _col("severity", TEXT),
        _col("at", TIME),
        _col("machine_id", INT, null=True),
        _col("seq", INT, null=True),
        _col("source_id", INT, null=True),
        _col("channel_id", INT, null=True),
        _col("incident_id", INT, null=True),
        _col("previous_status", TEXT, null=True),
        _col("status", TEXT, null=True),
        _col("reason", TEXT),
        _col("last_seen", TIME, null=True),
        _col("snapshot", TEXT),
        sa.CheckConstraint("severity IN ('alert', 'info')", name="ck_events_severity"),
        sa.CheckConstraint("(machine_id IS NULL) = (seq IS NULL)", name="ck_events_machine"),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name="fk_events_channel_id"),
        sa.ForeignKeyConstraint(["incident_id"], ["events.id"], name="fk_events_incident_id"),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_events_machine_id"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_events_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("machine_id", "seq", name="uq_events_machine_id_seq"),
        sa.UniqueConstraint("uid", name="uq_events_uid"),
        **COUNTED,
    )
    _index("events_at", "events", "at")
    _index("events_incident", "events", "incident_id", where="incident_id IS NOT NULL")
    op.create_table(
        "outages",
        _col("id", INT),
        _col("machine_id", INT),
        _col("started_at", TIME),
        _col("detected_at", TIME),
        _col("ended_at", TIME, null=True),
        _col("reason", TEXT),
        _col("end_reason", TEXT, null=True),
        _col("opened_by", INT),
        _col("closed_by", INT, null=True),
        _col("acked_at", TIME, null=True),
        _col("acked_by", TEXT, null=True),
        sa.CheckConstraint("end_reason IN ('heard', 'paused', 'removed')", name="ck_outages_end_reason"),
        sa.CheckConstraint("reason IN ('silent', 'goodbye', 'run')", name="ck_outages_reason"),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ck_outages_ended"),
        sa.CheckConstraint("ended_at >= started_at", name="ck_outages_span"),
        sa.ForeignKeyConstraint(["closed_by"], ["events.id"], name="fk_outages_closed_by"),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_outages_machine_id"),
        sa.ForeignKeyConstraint(["opened_by"], ["events.id"], name="fk_outages_opened_by"),
        sa.PrimaryKeyConstraint("id", name="pk_outages"),
        sa.UniqueConstraint("opened_by", name="uq_outages_opened_by"),
        **COUNTED,
    )
    _index("outages_machine", "outages", "machine_id, id")
    _index("outages_open", "outages", "machine_id", where="ended_at IS NULL", unique=True)
    op.create_table(
        "machine_offline_notifications",
        _col("machine_id", INT, autoincrement=False),
        _col("notified_at", TIME),
        _col("event_id", INT),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_machine_offline_notifications_event_id"),
        sa.ForeignKeyConstraint(
            ["machine_id"], ["machines.id"], name="fk_machine_offline_notifications_machine_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("machine_id", name="pk_machine_offline_notifications"),
    )


def _outbox() -> None:
    op.create_table(
        "notifications",
        _col("id", INT),
        _col("uid", TEXT),
        _col("event_id", INT),
        _col("channel_id", INT),
        _col("machine_id", INT, null=True),
        _col("occasion", INT, default="0"),
        _col("cause", TEXT, default="'first'"),
        _col("state", TEXT, default="'pending'"),
        _col("reason", TEXT, null=True),
        _col("due_at", TIME),
        _col("while_open", BOOL, default="FALSE"),
        _col("solo", BOOL, default="FALSE"),
        _col("attempts", INT, default="0"),
        _col("rejections", INT, default="0"),
        _col("lease_token", INT, null=True),
        _col("created_at", TIME),
        _col("expires_at", TIME),
        _col("finished_at", TIME, null=True),
        _col("receipt", TEXT, null=True),
        sa.CheckConstraint("(state = 'sending') = (lease_token IS NOT NULL)", name="ck_notifications_leased"),
        sa.CheckConstraint(
            "(state IN ('delivered', 'dead', 'cancelled', 'skipped')) = (finished_at IS NOT NULL)",
            name="ck_notifications_finished",
        ),
        sa.CheckConstraint("cause IN ('first', 'reminder', 'replay', 'fallback')", name="ck_notifications_cause"),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'delivered', 'dead', 'cancelled', 'skipped')",
            name="ck_notifications_state",
        ),
        sa.CheckConstraint(
            "state NOT IN ('dead', 'cancelled', 'skipped') OR reason IS NOT NULL", name="ck_notifications_reason"
        ),
        sa.CheckConstraint("uid NOT LIKE '%.%'", name="ck_notifications_uid"),
        sa.CheckConstraint("occasion >= 0", name="ck_notifications_occasion"),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name="fk_notifications_channel_id"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_notifications_event_id"),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name="fk_notifications_machine_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.UniqueConstraint("event_id", "channel_id", "occasion", name="uq_notifications_event_id_channel_id_occasion"),
        sa.UniqueConstraint("uid", name="uq_notifications_uid"),
        **COUNTED,
    )
    _index("notifications_dead", "notifications", "finished_at", where="state = 'dead'")
    _index("notifications_machine", "notifications", "machine_id, id")
    _index("notifications_open", "notifications", "channel_id, due_at, id", where="state IN ('pending', 'sending')")
    _index(
        "notifications_queue", "notifications", "channel_id, machine_id, id", where="state IN ('pending', 'sending')"
    )
    _index("notifications_sending", "notifications", "channel_id", where="state = 'sending'")
    op.create_table(
        "delivery_attempts",
        _col("id", INT),
        _col("channel_id", INT),
        _col("node", TEXT),
        _col("lease_token", INT),
        _col("started_at", TIME),
        _col("finished_at", TIME, null=True),
        _col("outcome", TEXT, null=True),
        _col("detail", TEXT, null=True),
        sa.CheckConstraint(
            "outcome IN ('delivered', 'retry', 'rejected', 'lost')", name="ck_delivery_attempts_outcome"
        ),
        sa.CheckConstraint("(finished_at IS NULL) = (outcome IS NULL)", name="ck_delivery_attempts_finished"),
        sa.ForeignKeyConstraint(["channel_id"], ["channels.id"], name="fk_delivery_attempts_channel_id"),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_attempts"),
        **COUNTED,
    )
    op.create_table(
        "delivery_attempt_items",
        _col("attempt_id", INT),
        _col("notification_id", INT),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["delivery_attempts.id"], name="fk_delivery_attempt_items_attempt_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name="fk_delivery_attempt_items_notification_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("attempt_id", "notification_id", name="pk_delivery_attempt_items"),
    )
    _index("delivery_attempt_items_n", "delivery_attempt_items", "notification_id")
    op.create_table(
        "silences",
        _col("id", INT),
        _col("name", TEXT),
        _col("starts_at", TIME),
        _col("ends_at", TIME),
        _col("matcher", TEXT),
        _col("created_by", TEXT),
        sa.CheckConstraint("ends_at > starts_at", name="ck_silences_span"),
        sa.PrimaryKeyConstraint("id", name="pk_silences"),
        **COUNTED,
    )
    _index("silences_ends", "silences", "ends_at")
