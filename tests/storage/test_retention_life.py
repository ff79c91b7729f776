"""A life in which old rows go at random moments is told, word for word, as the same life in which they stay."""

from __future__ import annotations

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lastseen.errors import UnknownMachine
from lastseen.model import Beat, Delivered, Message, Outcome, Rejected, Retry, Said
from lastseen.model.retention import Keep
from lastseen.notifiers import dispatcher
from tests.monitor.cases import Scene, scene

LIVES = int(os.environ.get("LASTSEEN_TEST_LIVES", "0"))
"""As for those of the outbox."""

MACHINES = ["a", "b", "c", "d"]
HOUR = timedelta(hours=1)
KEEP = Keep(events=HOUR, attempts=HOUR / 4, runs=HOUR / 4, reports=HOUR / 4)
"""Far shorter than anybody may set: longer than the flapping window, and nothing else."""

WORDS = ["ok", "error", "goodbye", "pause", "resume", "ack", "forget", "start", "end", "fail", "cut", "mend"]
WAITS = ["1s", "30s", "2m", "5m", "20m", "1h"]

Step = tuple[str, str, str]


class FarEnd:
    """Answers each try by what it is a try of, so that both lives hear the same."""

    def __init__(self, seed: int, max_batch: int = 1) -> None:
        self.rejects = max_batch == 1  # what is gathered is not always the same: it depends on who is quicker
        self._seed, self._tries, self.max_batch, self.cut = seed, Counter[str](), max_batch, False
        self.heard: list[tuple[str, str | None, int | None, str]] = []
        self.twice: list[str] = []
        self.events: set[tuple[str, str | None, int | None]] = set()
        self.ids: dict[str, tuple[str, str | None, int | None]] = {}

    async def send(self, message: Message) -> Outcome | None:
        oldest = message.events[0]
        about = (oldest.type, oldest.machine, oldest.seq)
        if self.ids.setdefault(message.id, about) != about:
            self.twice.append(message.id)
        if self.cut:
            return Retry("503")
        self._tries[message.id] += 1
        self.heard.append((*about, message.text))
        self.events |= {(event.type, event.machine, event.seq) for event in message.events}
        chance = random.Random(f"{self._seed} {about} {self._tries[message.id]}")
        return chance.choice([None, None, None, Delivered("r"), Retry("503")] + [Rejected("400")] * self.rejects)

    def by_machine(self) -> dict[str | None, list[tuple[str, str | None, int | None, str]]]:
        return {machine: [one for one in self.heard if one[1] == machine] for machine in [*MACHINES, None]}


def life(chance: random.Random) -> list[Step]:
    weights = ["beat"] * 6 + ["wait"] * 7 + WORDS
    jobs = [("job", machine, "1s") for machine in MACHINES[2:]]
    return jobs + [(chance.choice(weights), chance.choice(MACHINES), chance.choice(WAITS)) for _ in range(100)]


async def live(s: Scene, step: Step, chat: FarEnd) -> None:
    action, machine, wait = step
    try:
        match action:
            case "wait":
                await s.clock.advance(wait)
            case "beat":
                await s.beat(machine)
            case "ok" | "error":
                await s.beat(machine, report={"status": action, "message": "so it is"})
            case "job":
                await s.monitor.watch(machine, kind="job", max_runtime="10m")
            case "cut" | "mend":
                chat.cut = action == "cut"
            case "start" | "end" | "fail":
                said = {"start": Said.START, "end": Said.OK, "fail": Said.ERROR}[action]
                await s.monitor.record(Beat(machine, s.clock.now(), said, run="r"))
            case "ack":
                await s.monitor.acknowledge(machine, by="eva")
            case _:
                await getattr(s.monitor, action)(machine)
    except UnknownMachine:
        assert action not in ("beat", "ok", "error", "wait", "job")


async def lived(folder: Path, seed: int, tidy: Callable[[Scene], Any]) -> tuple[FarEnd, FarEnd, list[Any]]:
    folder.mkdir()
    ops, chat = FarEnd(seed), FarEnd(seed + 1000, max_batch=5)
    async with scene("sqlite", folder, told=ops, notify={"ops": ops, "chat": chat}) as s:
        for step in life(random.Random(seed)):
            await live(s, step, chat)
            await s.clock.settled()
            await tidy(s)
        chat.cut = False
        await s.clock.advance("3h")
        for machine in MACHINES:
            await s.beat(machine)
        await s.clock.advance("1m")
        standing = await s.monitor.store.liveness(MACHINES)
    kept = [(m, standing[m].liveness, standing[m].outage is None) for m in MACHINES]
    return ops, chat, kept


@pytest.mark.parametrize("seed", range(LIVES // 20 or 1))
async def test_nobody_notices_that_old_rows_are_gone(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "random", SimpleNamespace(random=lambda: 0.5))  # the waits between tries
    moments, gone = random.Random(-seed - 1), Counter[str]()

    async def never(s: Scene) -> None:
        """Everything stays."""

    async def now_and_then(s: Scene) -> None:
        if moments.random() > 0.3:
            return
        after: str | None = None
        for _ in range(moments.randrange(1, 12)):  # a round may be cut short
            pruned = await s.sql.prune(KEEP, s.clock.now(), after, moments.choice([1, 5, 500]))
            gone.update(pruned.gone)
            after = pruned.after
            if after is None:
                break

    whole = await lived(tmp_path / "whole", seed, never)
    short = await lived(tmp_path / "short", seed, now_and_then)
    assert gone["events"] > 20, "or this shows nothing"
    assert short[0].by_machine() == whole[0].by_machine()
    assert short[0].twice == [], "an id is of one thing for ever"
    assert short[1].events == whole[1].events
    assert _without_names(short[2]) == _without_names(whole[2])
    assert waiting(tmp_path / "short") == waiting(tmp_path / "whole") == []
    with closing(sqlite3.connect(tmp_path / "short" / "lastseen.db")) as raw:
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []


def waiting(folder: Path) -> list[tuple[object, ...]]:
    query = """
        SELECT channels.name, events.type, events.machine_id, seq, state, cause, due_at, attempts FROM notifications
        JOIN events ON events.id = event_id JOIN channels ON channels.id = notifications.channel_id
        WHERE finished_at IS NULL ORDER BY 1, 2, 3, 4
    """
    with closing(sqlite3.connect(folder / "lastseen.db")) as raw:
        return raw.execute(query).fetchall()


def _without_names(kept: list[Any]) -> list[Any]:
    """The uids of machines, and of what is derived from them, are others in each life."""
    return [
        (machine, row.status, row.status_since, row.last_seen, row.seq, row.incident is None, row.check_at, over)
        for machine, row, over in kept
    ]
