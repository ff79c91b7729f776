"""Random lives of several machines on a real file, audited after every step: what the tables say must agree."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections import defaultdict
from pathlib import Path

import pytest

from lastseen.errors import UnknownMachine
from lastseen.model import Delivered, Rejected, Retry
from lastseen.testing import RecordingNotifier
from tests.monitor.cases import Scene, scene

MACHINES = ["a", "b", "c", "d"]


@pytest.mark.parametrize("seed", range(3))
async def test_the_tables_agree_after_every_step(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    answers = [
        chance.choice([None, Delivered("r"), Retry("503"), Rejected("400"), OSError("reset")]) for _ in range(900)
    ]
    told = RecordingNotifier(answers)
    second = RecordingNotifier(max_batch=5)
    async with scene("sqlite", tmp_path, told=told, notify={"ops": told, "chat": second}) as s:
        for _ in range(60):
            await step(s, chance)
            await s.clock.settled()
            audit(tmp_path / "lastseen.db")
        await s.clock.advance("4d")
    audit(tmp_path / "lastseen.db")
    unfinished = query(tmp_path / "lastseen.db", "SELECT state FROM notifications WHERE finished_at IS NULL")
    assert unfinished == []
    in_order(told)


async def step(s: Scene, chance: random.Random) -> None:
    machine = chance.choice(MACHINES)
    action = chance.choice(
        ["beat"] * 5 + ["wait"] * 5 + ["ok", "error", "goodbye", "pause", "resume", "watch", "forget"]
    )
    try:
        match action:
            case "beat":
                await s.beat(machine)
            case "wait":
                await s.clock.advance(chance.choice(["1s", "30s", "2m", "5m"]))
            case "ok" | "error":
                await s.beat(machine, report={"status": action, "message": "so it is"})
            case "goodbye":
                await s.monitor.goodbye(machine)
            case "pause" | "resume" | "forget":
                await getattr(s.monitor, action)(machine)
            case "watch":
                await s.monitor.watch(machine, offline_after=chance.choice(["1m", "4m", "never", None]))
    except UnknownMachine:
        assert action in ("goodbye", "pause", "resume", "forget")


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute(statement).fetchall()
    finally:
        db.close()


def audit(path: Path) -> None:
    offline = query(path, "SELECT machine_id FROM liveness WHERE status = 'offline' ORDER BY 1")
    assert query(path, "SELECT machine_id FROM outages WHERE ended_at IS NULL ORDER BY 1") == offline
    assert query(path, "SELECT machine_id FROM machine_offline_notifications ORDER BY 1") == offline
    bad = query(
        path, "SELECT machine_id FROM liveness WHERE (status IN ('offline', 'error')) <> (incident IS NOT NULL)"
    )
    assert bad == []
    seqs: dict[object, list[tuple[object, ...]]] = defaultdict(list)
    for machine_id, *event in query(
        path, "SELECT machine_id, seq, previous_status, status, type FROM events WHERE machine_id NOT NULL ORDER BY seq"
    ):
        seqs[machine_id].append(tuple(event))
    for events in seqs.values():
        assert [seq for seq, *_ in events] == list(range(1, len(events) + 1)), "a gap in seq"
        for (_, _, before, _), (_, previous, _, _) in itertools.pairwise(events):
            assert previous == before, "events of a machine follow from one another"
    missing = query(
        path,
        "SELECT e.id FROM events e, channels c LEFT JOIN notifications n ON n.event_id = e.id AND n.channel_id = c.id "
        "WHERE n.id IS NULL",
    )
    assert missing == [], "an event without its notification"
    silent_finish = query(
        path, "SELECT id FROM notifications WHERE state IN ('dead', 'cancelled', 'skipped') AND reason IS NULL"
    )
    assert silent_finish == []


def in_order(told: RecordingNotifier) -> None:
    """Per machine, sends started in the order of its events."""
    highest: dict[int | None, int] = {}
    for message in told.messages:
        event = message.event
        assert event.seq is not None
        assert event.seq >= highest.get(event.machine_id, 0), "overtaken"
        highest[event.machine_id] = event.seq
