"""A row in every table, and what every CHECK refuses."""

from __future__ import annotations

import sqlite3

from lastseen.storage import tables

EVERY_TABLE = sorted(tables.metadata.tables)

T = "2026-03-01 12:00:00.000000"
LATER = "2026-03-01 12:05:00.000000"
_UIDS = {"machine": "0b0a2c44-0000-4000-8000-000000000001", "event": "0b0a2c44-0000-4000-8000-000000000002"}

GOOD: dict[str, dict[str, object]] = {
    "users": {"id": 1, "name": "eva", "role": "admin", "created_at": T, "folded": "eva"},
    "nodes": {"id": "n1", "name": "n", "version": "1", "started_at": T, "alive_at": T},
    "leases": {"name": "lane", "owner": "n1", "token": 7, "until": T},
    "source_listeners": {"source_id": 0, "node_id": "n1", "listening_since": T, "alive_at": T, "heard_until": T},
    "blind_periods": {"id": 1, "source_id": 0, "started_at": T, "ended_at": LATER, "reason": "stopped"},
    "machines": {"id": 1, "uid": _UIDS["machine"], "slug": "pump", "name": "Pump", "owner_id": 1, "created_at": T},
    "machine_tags": {"machine_id": 1, "tag": "cellar"},
    "machine_identities": {"source_id": 0, "external_id": "p", "machine_id": 1},
    "machine_api_keys": {
        "id": 1,
        "digest": "d",
        "hint": "lsm_",
        "scope": "machine",
        "machine_id": 1,
        "created_at": T,
    },
    "liveness": {
        "machine_id": 1,
        "status": "offline",
        "status_since": T,
        "watch_from": T,
        "check_at": T,
        "back_at": T,
    },
    "reports": {"id": 1, "machine_id": 1, "source_id": 0, "at": T, "kind": "error", "pending": 1},
    "runs": {"id": 1, "uid": "r1", "machine_id": 1, "started_at": T, "ended_at": LATER, "outcome": "fail"},
    "strangers": {"source_id": 0, "kind": "unknown", "name": "x", "heard": 3, "first_at": T, "last_at": LATER},
    "latest_reports": {"machine_id": 1, "at": T, "body": "{}"},
    "channels": {"id": 1, "uid": "c1", "type": "webhook", "name": "w", "config": "{}", "created_at": T},
    "channel_state": {"channel_id": 1, "lane": "l"},
    "events": {
        "id": 1,
        "uid": _UIDS["event"],
        "type": "machine.offline",
        "severity": "alert",
        "at": T,
        "machine_id": 1,
        "seq": 1,
        "incident_id": 1,
        "reason": "silent",
        "snapshot": "{}",
    },
    "outages": {
        "id": 1,
        "machine_id": 1,
        "started_at": T,
        "detected_at": T,
        "reason": "silent",
        "opened_by": 1,
    },
    "machine_offline_notifications": {"machine_id": 1, "notified_at": T, "event_id": 1},
    "notifications": {
        "id": 1,
        "uid": "n1",
        "event_id": 1,
        "channel_id": 1,
        "machine_id": 1,
        "due_at": T,
        "created_at": T,
        "expires_at": LATER,
    },
    "delivery_attempts": {"id": 1, "channel_id": 1, "node": "n1", "lease_token": 1, "started_at": T},
    "delivery_attempt_items": {"attempt_id": 1, "notification_id": 1},
    "invites": {"id": 1, "digest": "d", "name": "family", "created_at": T, "expires_at": LATER},
    "refusals": {"key_id": 1, "hour": T, "reason": "expired", "count": 2, "first_at": T, "last_at": LATER},
    "sessions": {"id": 1, "user_id": 1, "digest": "d", "created_at": T, "used_at": T, "expires_at": LATER},
    "link_tokens": {"id": 1, "purpose": "password", "digest": "d", "user_id": 1, "created_at": T, "expires_at": LATER},
    "audit_log": {"id": 1, "at": T, "who": "eva", "verb": "remove", "subject": "machine pump"},
    "silences": {"id": 1, "name": "s", "starts_at": T, "ends_at": LATER, "matcher": "{}", "created_by": "eva"},
    "interval_turns": {"id": 1, "machine_id": 1, "starts_at": T, "ends_at": LATER},
    "interval_hearers": {"node": "n1", "until": T},
    "interval_parts": {"id": 1, "node": "n1", "start_at": T, "end_at": LATER, "known": 1},
    "interval_counts": {"machine_id": 1, "week": T, "counts": "{}", "seconds": 30.5, "first_at": T, "last_at": LATER},
    "status_pages": {"id": 1, "slug": "web", "title": "Web", "owner_id": 1, "created_at": T},
    "badges": {"id": 1, "key": "k", "shows": "status", "subject": "{}", "owner_id": 1, "created_at": T},
}

BAD: dict[str, tuple[str, dict[str, object]]] = {
    "ck_kinds_offline_after": ("kinds", {"name": "x", "offline_after_s": 31_536_001}),
    "ck_users_role": ("users", {"role": "king"}),
    "ck_sources_bit": ("sources", {"id": 63, "name": "s", "kind": "mqtt"}),
    "ck_blind_periods_reason": ("blind_periods", {"reason": "asleep"}),
    "ck_blind_periods_span": ("blind_periods", {"started_at": LATER, "ended_at": T}),
    "ck_machines_slug": ("machines", {"slug": ""}),
    "ck_machines_name": ("machines", {"name": "x" * 201}),
    "ck_machines_offline_after": ("machines", {"offline_after_s": -1}),
    "ck_machine_api_keys_scope": ("machine_api_keys", {"scope": "root"}),
    "ck_machine_api_keys_machine": ("machine_api_keys", {"machine_id": None}),
    "ck_machine_api_keys_shown": ("machine_api_keys", {"shown_cipher": "x"}),
    "ck_machine_api_keys_may": ("machine_api_keys", {"may": "all"}),
    "ck_liveness_status": ("liveness", {"status": "late"}),
    "ck_liveness_paused": ("liveness", {"status": "paused", "back_at": None}),
    "ck_liveness_back": ("liveness", {"check_at": None}),
    "ck_reports_kind": ("reports", {"kind": "shout"}),
    "ck_runs_outcome": ("runs", {"outcome": "late"}),
    "ck_runs_ended": ("runs", {"outcome": None}),
    "ck_runs_known": ("runs", {"started_at": None, "ended_at": None}),
    "ck_strangers_kind": ("strangers", {"kind": "odd"}),
    "ck_channels_disabled_by": ("channels", {"enabled": 0, "disabled_by": "cat"}),
    "ck_channels_enabled": ("channels", {"enabled": 0}),
    "ck_channels_fallback": ("channels", {"fallback_id": 1}),
    "ck_events_severity": ("events", {"severity": "loud"}),
    "ck_events_machine": ("events", {"seq": None}),
    "ck_outages_reason": ("outages", {"reason": "tired"}),
    "ck_outages_end_reason": ("outages", {"ended_at": LATER, "end_reason": "bored"}),
    "ck_outages_ended": ("outages", {"ended_at": LATER}),
    "ck_outages_span": ("outages", {"started_at": LATER, "ended_at": T, "end_reason": "heard"}),
    "ck_notifications_uid": ("notifications", {"uid": "a.b"}),
    "ck_notifications_occasion": ("notifications", {"occasion": -1}),
    "ck_notifications_cause": ("notifications", {"cause": "why not"}),
    "ck_notifications_state": ("notifications", {"state": "maybe"}),
    "ck_notifications_leased": ("notifications", {"state": "sending"}),
    "ck_notifications_finished": ("notifications", {"state": "delivered"}),
    "ck_notifications_reason": ("notifications", {"state": "dead", "finished_at": T}),
    "ck_delivery_attempts_outcome": ("delivery_attempts", {"finished_at": T, "outcome": "dunno"}),
    "ck_delivery_attempts_finished": ("delivery_attempts", {"finished_at": T}),
    "ck_invites_used": ("invites", {"used_at": T}),
    "ck_link_tokens_purpose": ("link_tokens", {"purpose": "fun"}),
    "ck_link_tokens_user": ("link_tokens", {"user_id": None}),
    "ck_refusals_reason": ("refusals", {"reason": "odd"}),
    "ck_badges_shows": ("badges", {"shows": "mood"}),
    "ck_interval_turns_span": ("interval_turns", {"starts_at": LATER, "ends_at": T}),
    "ck_interval_parts_span": ("interval_parts", {"start_at": LATER, "end_at": T}),
    "ck_silences_span": ("silences", {"ends_at": T}),
}


def put(connection: sqlite3.Connection, table: str, values: dict[str, object]) -> None:
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values.values()))


def fill(connection: sqlite3.Connection) -> None:
    """meta, kinds and sources have rows from the beginning."""
    connection.execute("PRAGMA foreign_keys = ON")
    for table, values in GOOD.items():
        put(connection, table, values)
    connection.commit()


def rows_of(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in EVERY_TABLE}
