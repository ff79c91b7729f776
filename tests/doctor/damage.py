"""SQL that breaks what a store knows."""

from __future__ import annotations

import json

from tests.doctor.conftest import ago

UNHEARD = (
    "INSERT INTO machines (uid, slug, name, created_at) VALUES ('u{n}', '{slug}', '{slug}', '{at}')",
    "INSERT INTO liveness (machine_id, status_since, watch_from) SELECT id, '{at}', '{at}' FROM machines "
    "WHERE slug = '{slug}'",
)
FAILED = (
    f"UPDATE channel_state SET failing_since = '{ago(hours=3)}', failures = 9",
    "INSERT INTO delivery_attempts (channel_id, node, lease_token, started_at, finished_at, outcome, detail) "
    f"VALUES (1, 'n', 1, '{ago(hours=1)}', '{ago(hours=1)}', 'retry', '503 Service Unavailable')",
)
NOTIFICATION = (
    "INSERT INTO events (uid, type, severity, at, machine_id, seq, reason, snapshot) "
    f"VALUES ('e', 'machine.offline', 'alert', '{ago(hours=2)}', 1, 99, 'silent', '{{}}')",
    "INSERT INTO notifications (uid, event_id, channel_id, machine_id, state, reason, due_at, created_at, expires_at, "
    "finished_at) SELECT 'n', max(id), 1, 1, '{state}', {reason}, '{due}', '{due}', '{due}', {finished} FROM events",
)


def unheard(slug: str, **since: float) -> list[str]:
    return [text.format(slug=slug, n=slug, at=ago(**since)) for text in UNHEARD]


def notification(state: str, due: str, reason: str = "NULL") -> list[str]:
    finished = f"'{due}'" if state != "pending" else "NULL"
    return [
        NOTIFICATION[0],
        NOTIFICATION[1].format(state=state, due=due, reason=reason, finished=finished),
    ]


def stranger(kind: str, name: str, heard: int, at: str, detail: str = "") -> str:
    return f"INSERT INTO strangers VALUES (0, '{kind}', '{name}', '{detail}', {heard}, '{at}', '{at}')"


BROKER = "INSERT INTO sources (id, name, kind) VALUES (1, 'broker', 'mqtt')"
BLIND = (
    "INSERT INTO blind_periods (source_id, started_at, ended_at, reason) VALUES ({source}, '{start}', {end}, '{why}')"
)


def wished(**wishes: object) -> str:
    """SQL: what every channel wishes, as it was once taken."""
    return f"UPDATE channels SET prefs = '{json.dumps(wishes)}'"
