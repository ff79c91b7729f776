"""Each rule of docs/retention.md that is about rows which only a database has: what goes, and what keeps it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.model.retention import Keep
from lastseen.storage import open_store, sql_retention, upgrade
from lastseen.storage.sql import SqlStore
from lastseen.testing.suite_retention import a_round
from tests.storage.schema_rows import GOOD, put

LIMIT = timedelta(days=100)
KEEP = Keep(LIMIT, LIMIT, LIMIT, LIMIT)
NOW = datetime(2027, 3, 1, tzinfo=UTC)


def days(ago: float) -> str:
    return (NOW - timedelta(days=ago)).strftime("%Y-%m-%d %H:%M:%S.%f")


OLD, YOUNG = days(300), days(3)


class World:
    """A database that is written by hand. Machine 1 is online, heard just now; channel 1 works."""

    def __init__(self, path: Path) -> None:
        upgrade.upgrade(path)
        self.raw = sqlite3.connect(path, isolation_level=None)
        self.raw.execute("PRAGMA foreign_keys = ON")
        self.store = open_store(f"sqlite:///{path}")
        for table in ("users", "machines", "channels", "channel_state"):
            self.put(table)
        self.put("liveness", status="online", last_seen=days(0), watch_from=OLD, status_since=OLD, back_at=None)

    def put(self, table: str, **values: Any) -> None:
        put(self.raw, table, {**GOOD[table], **values})

    def event(self, id_: int, seq: int | None, at: str, **values: Any) -> None:
        machine = None if seq is None else 1
        given = {
            "id": id_,
            "uid": f"e{id_}",
            "seq": seq,
            "at": at,
            "machine_id": machine,
            "incident_id": None,
            **values,
        }
        self.put("events", **given)

    def ids(self, table: str) -> list[Any]:
        column = {"silences": "id", "strangers": "name"}.get(table, "id")
        return [row[0] for row in self.raw.execute(f"SELECT {column} FROM {table} ORDER BY 1")]

    async def gone(self, keep: Keep = KEEP, limit: int = 500) -> Mapping[str, int]:
        return await a_round(self.store, NOW, keep, limit)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "store.db")
    assert isinstance(made.store, SqlStore)
    await made.store.open()
    with closing(made.raw):
        yield made
    await made.store.close()


# --- attempts, reports, runs ------------------------------------------------------------------------------------------


async def test_attempts_go_but_for_the_last_words_of_a_channel_that_fails(world: World) -> None:
    for id_, (at, outcome) in enumerate([(OLD, "retry"), (OLD, "retry"), (OLD, "delivered"), (YOUNG, "lost")], 1):
        world.put("delivery_attempts", id=id_, started_at=at, finished_at=at, outcome=outcome)
    world.raw.execute("UPDATE channel_state SET failing_since = ?", (OLD,))
    assert await world.gone() == {"delivery_attempts": 2}
    assert world.ids("delivery_attempts") == [2, 4]
    world.raw.execute("UPDATE channel_state SET failing_since = NULL")
    assert await world.gone() == {"delivery_attempts": 1}


async def test_what_was_delivered_of_an_open_incident_is_known_as_long_as_it_lasts(world: World) -> None:
    world.event(1, 1, OLD, incident_id=1)
    world.put("notifications", state="delivered", finished_at=OLD)
    for id_, outcome in ((1, "retry"), (2, "delivered")):
        world.put("delivery_attempts", id=id_, started_at=OLD, finished_at=OLD, outcome=outcome)
        world.put("delivery_attempt_items", attempt_id=id_)
    world.raw.execute("UPDATE liveness SET incident = 'e1'")
    assert await world.gone() == {"delivery_attempts": 1}
    assert world.ids("delivery_attempts") == [2]
    world.raw.execute("UPDATE liveness SET incident = NULL")
    assert (await world.gone())["delivery_attempts"] == 1


async def test_reports_go_that_a_decision_has_seen(world: World) -> None:
    for id_, (at, pending) in enumerate([(OLD, 0), (OLD, 1), (OLD, 0), (YOUNG, 0)], 1):
        world.put("reports", id=id_, at=at, pending=pending)
    world.put("latest_reports", at=OLD)
    assert await world.gone(limit=1) == {"reports": 2}
    assert world.ids("reports") == [2, 4]
    assert world.raw.execute("SELECT count(*) FROM latest_reports").fetchone() == (1,)


async def test_of_a_machine_the_newest_20_runs_stay_and_those_that_are_open(world: World) -> None:
    world.put("runs", id=1, uid="open", started_at=OLD, ended_at=None, outcome=None)
    for number in range(2, 33):
        world.put("runs", id=number, uid=f"r{number}", started_at=days(400 - number), ended_at=days(400 - number))
    assert await world.gone(limit=7) == {"runs": 12}
    assert world.ids("runs") == [1, *range(14, 33)]
    world.raw.execute("DELETE FROM liveness")
    world.raw.execute("UPDATE machines SET deleted_at = ?", (YOUNG,))
    assert await world.gone() == {"runs": 19}


async def test_the_runs_of_one_machine_keep_none_of_another(world: World) -> None:
    world.put("machines", id=2, uid="m2", slug="two")
    for number in range(1, 51):
        world.put(
            "runs", id=number, uid=f"r{number}", machine_id=1 + number % 2, started_at=OLD, ended_at=days(300 - number)
        )
    assert await world.gone() == {"runs": 10}


# --- events -----------------------------------------------------------------------------------------------------------


async def test_the_newest_event_before_the_limit_stays_and_says_how_it_stood(world: World) -> None:
    for id_, at in enumerate([days(300), days(200), days(150), days(50)], 1):
        world.event(id_, id_, at)
    assert await world.gone() == {"events": 2}
    assert world.ids("events") == [3, 4]


@pytest.mark.parametrize(
    ("keeps", "frees"),
    [
        ("UPDATE liveness SET incident = 'e1'", "UPDATE liveness SET incident = NULL"),
        ("UPDATE liveness SET flapping_since = watch_from", "UPDATE liveness SET flapping_since = NULL"),
        (
            "INSERT INTO outages (machine_id, started_at, detected_at, reason, opened_by) "
            "SELECT 1, at, at, 'silent', 1 FROM events WHERE id = 1",
            "UPDATE outages SET ended_at = started_at, end_reason = 'heard'",
        ),
        (
            "INSERT INTO machine_offline_notifications SELECT 1, at, 1 FROM events WHERE id = 1",
            "DELETE FROM machine_offline_notifications",
        ),
        (
            "INSERT INTO notifications (uid, event_id, channel_id, due_at, created_at, expires_at) "
            "SELECT 'n', 2, 1, at, at, at FROM events WHERE id = 1",
            "UPDATE notifications SET state = 'cancelled', reason = 'x', finished_at = due_at",
        ),
        ("UPDATE events SET at = '2027-02-28' WHERE id = 2", "UPDATE events SET at = '2026-04-01' WHERE id = 2"),
        (
            "UPDATE events SET type = 'machine.never_reported' WHERE id = 1; "
            "UPDATE liveness SET status = 'provisioning', last_seen = NULL",
            "UPDATE liveness SET status = 'online', last_seen = watch_from",
        ),
    ],
)
async def test_what_keeps_an_incident(world: World, keeps: str, frees: str) -> None:
    world.event(1, 1, days(300), incident_id=1)
    world.event(2, 2, days(299), incident_id=1, type="machine.online", severity="info")
    world.event(3, 3, days(298))
    keeps = keeps.replace("machine.never_reported", "system.machine_never_reported")
    world.raw.executescript(keeps)
    assert "events" not in await world.gone()
    world.raw.executescript(frees)
    assert (await world.gone())["events"] == 2
    assert world.ids("events") == [3]
    assert world.raw.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_what_has_no_machine_goes_when_it_has_its_end(world: World) -> None:
    world.event(1, None, OLD, type="source.blind", incident_id=1)
    assert await world.gone() == {}
    world.event(2, None, OLD, type="source.restored", severity="info", incident_id=1)
    assert await world.gone() == {"events": 2}


async def test_that_a_channel_fails_is_not_told_again_as_long_as_it_does(world: World) -> None:
    world.event(1, None, OLD, type="channel.failing", channel_id=1)
    world.raw.execute("UPDATE channel_state SET failing_since = ?", (OLD,))
    assert await world.gone() == {}
    world.raw.execute("UPDATE channel_state SET failing_since = NULL")
    assert await world.gone() == {"events": 1}


async def test_an_event_that_closed_the_outage_of_another_incident_stays_with_it(world: World) -> None:
    world.event(1, 1, days(300), incident_id=1)
    world.event(2, 2, days(299))
    world.event(3, 3, days(298))
    world.put("outages", id=1, opened_by=1, closed_by=2, started_at=OLD, ended_at=OLD, end_reason="paused")
    world.raw.execute("UPDATE liveness SET incident = 'e1'")
    assert await world.gone() == {}
    world.raw.execute("UPDATE liveness SET incident = NULL")
    await world.gone()
    await world.gone()
    assert world.ids("events") == [3]


async def test_a_big_incident_goes_in_small_steps_and_is_over_at_every_step(world: World) -> None:
    """A machine that went between offline and error 300 times before it came back."""
    world.event(1, 1, days(300), incident_id=1)
    for number in range(2, 302):
        world.event(number, number, days(300), incident_id=1)
        world.put(
            "outages",
            id=number,
            opened_by=number - 1,
            closed_by=number,
            started_at=OLD,
            ended_at=OLD,
            end_reason="heard",
        )
        world.put("notifications", id=number, uid=f"n{number}", event_id=number, state="delivered", finished_at=OLD)
    world.event(302, 302, days(299), incident_id=1, type="machine.online", severity="info")
    world.event(303, 303, days(298))
    assert await world.gone(limit=50) == {"events": 302, "outages": 300, "notifications": 300}
    assert world.ids("events") == [303]


async def test_more_incidents_than_one_step_looks_at(world: World) -> None:
    for number in range(1, 451):
        world.event(number, number, days(300))
    world.event(451, 451, YOUNG)
    assert await world.gone() == {"events": 449}


# --- what has no machine ----------------------------------------------------------------------------------------------


async def test_blind_time_that_may_be_credited_stays(world: World) -> None:
    for id_, (begun, ended) in enumerate([(days(300), days(299)), (days(200), days(199)), (days(2), None)], 1):
        world.put("blind_periods", id=id_, started_at=begun, ended_at=ended)
    world.raw.execute("UPDATE liveness SET last_seen = ?", (days(250),))  # its threshold is a year
    assert await world.gone() == {"blind_periods": 1}
    world.raw.execute("UPDATE liveness SET last_seen = ?", (days(0),))
    assert await world.gone() == {"blind_periods": 1}
    assert world.ids("blind_periods") == [3]


async def test_silences_strangers_and_invitations_that_are_over_go(world: World) -> None:
    for id_, moment in ((1, OLD), (2, YOUNG)):
        world.put("silences", id=id_, starts_at=days(301), ends_at=moment)
        world.put("strangers", name=f"s{id_}", last_at=moment)
        world.put("invites", id=id_, digest=f"d{id_}", expires_at=moment)
    world.put("invites", id=3, digest="d3", used_at=OLD, used_by="chat", expires_at=YOUNG)
    assert await world.gone() == {"silences": 1, "strangers": 1, "invites": 2}
    assert (world.ids("silences"), world.ids("strangers"), world.ids("invites")) == ([2], ["s2"], [2])


async def test_sessions_and_links_that_are_over_go_and_users_stay(world: World) -> None:
    for id_, moment in ((1, OLD), (2, YOUNG)):
        world.put("sessions", id=id_, digest=f"s{id_}", expires_at=moment)
        world.put("link_tokens", id=id_, digest=f"l{id_}", expires_at=moment)
    assert await world.gone() == {"sessions": 1, "link_tokens": 1}
    assert (world.ids("sessions"), world.ids("link_tokens"), world.ids("users")) == ([2], [2], [1])


def test_every_table_has_its_rule_on_the_page_and_every_step_its_table() -> None:
    page = Path("docs/retention.md").read_text()
    for table in (*GOOD, "meta", "kinds", "sources"):
        if table not in (
            "nodes",
            "source_listeners",
            "channel_state",
            "machine_tags",
            "machine_identities",
            "liveness",
        ):
            assert f"`{table}`" in page, table
    assert len(sql_retention.STEPS) == 11
