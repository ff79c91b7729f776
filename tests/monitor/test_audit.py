"""Random lives of several machines in a real database, audited after every step: what the tables say must agree."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import Connection

from lastseen.errors import UnknownMachine
from lastseen.model import Delivered, Rejected, Retry
from lastseen.testing import RecordingNotifier
from tests.monitor.cases import Scene, scene
from tests.storage.audit import audit

MACHINES = ["a", "b", "c", "d"]


@pytest.mark.parametrize(("store", "seed"), [("sqlite", 0), ("sqlite", 1), ("sqlite", 2), ("postgres", 3)])
async def test_the_tables_agree_after_every_step(tmp_path: Path, store: str, seed: int) -> None:
    chance = random.Random(seed)
    answers = [
        chance.choice([None, Delivered("r"), Retry("503"), Rejected("400"), OSError("reset")]) for _ in range(900)
    ]
    told = RecordingNotifier(answers)
    second = RecordingNotifier(max_batch=5)
    async with scene(store, tmp_path, told=told, notify={"ops": told, "chat": second}) as s:
        for _ in range(60 if store == "sqlite" else 20):
            await step(s, chance)
            await s.clock.settled()
            await s.sql.database.read(audited)
        await s.clock.advance("4d")
        await s.sql.database.read(audited)
        unfinished = "SELECT state FROM notifications WHERE finished_at IS NULL"
        assert await s.sql.database.read(lambda c: c.exec_driver_sql(unfinished).fetchall()) == []
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


def audited(connection: Connection) -> None:
    audit(lambda statement: connection.exec_driver_sql(statement).fetchall())


def in_order(told: RecordingNotifier) -> None:
    """Per machine, sends started in the order of its events."""
    highest: dict[int | None, int] = {}
    for message in told.messages:
        event = message.event
        assert event.seq is not None
        assert event.seq >= highest.get(event.machine_id, 0), "overtaken"
        highest[event.machine_id] = event.seq
