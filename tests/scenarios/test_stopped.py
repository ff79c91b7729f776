"""A server that is stopped, a clock that jumps, a disk that is full: nobody is blamed, nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.disk import fill, small_disk
from tests.faketime import LIBRARY, MISSING, faked
from tests.scenarios.harness import Server, fleet, rows, server
from tests.support import eventually, need, pace

EVENTS = "SELECT type FROM events WHERE type LIKE 'machine.o%' ORDER BY id"
BLIND = "SELECT reason FROM blind_periods"
THRESHOLD = 5
"""Seconds; enough for a busy computer to get a heartbeat through that is sent every third of a second."""
SETTINGS = {"MACHINE_OFFLINE_THRESHOLD": f"{THRESHOLD}s"}
NEWEST_AGE = "SELECT (julianday('now') - max(julianday(last_seen))) * 86400 FROM liveness"
"""Of what was stored of the machines, in seconds."""


@asynccontextmanager
async def beating(serve: Server, keys: dict[str, str], every: float = 0.3) -> AsyncIterator[list[int]]:
    """Each machine reports all the time, whatever is answered; the answers."""
    answers: list[int] = []

    async def one(key: str) -> None:
        while True:
            answers.append(await serve.beat(key))
            await pace(every)

    async with anyio.create_task_group() as group:
        for key in keys.values():
            group.start_soon(one, key)
        yield answers
        group.cancel_scope.cancel()


async def nobody_heard(folder: Path) -> None:
    """Until everybody has been silent for longer than the threshold, by what is in the file."""
    await eventually(lambda: rows(folder, NEWEST_AGE)[0][0] > THRESHOLD + 1, timeout=60, every=0.1)


async def accepted(answers: list[int], count: int) -> None:
    seen = len(answers)
    await eventually(lambda: answers[seen:].count(204) >= count)


async def test_a_server_that_was_stopped_for_longer_than_the_threshold_blames_nobody(tmp_path: Path) -> None:
    keys = await fleet(tmp_path, 5)
    async with server(tmp_path, **SETTINGS) as serve:
        await serve.start()
        async with beating(serve, keys) as answers:
            await accepted(answers, 10)
            serve.signal(signal.SIGSTOP)
            await nobody_heard(tmp_path)
            serve.signal(signal.SIGCONT)
            await eventually(lambda: ("stalled",) in rows(tmp_path, BLIND))
            await accepted(answers, 30)
            await eventually(lambda: rows(tmp_path, LOOKED_AT_AGAIN) == [(5,)])
        assert set(rows(tmp_path, EVENTS)) == {("machine.online",)}


LOOKED_AT_AGAIN = f"""
SELECT count(*) FROM liveness, (SELECT max(ended_at) AS ended FROM blind_periods) WHERE check_at > ended AND
check_at > datetime(ended, '+{THRESHOLD} seconds')
"""


async def test_a_server_that_was_down_for_longer_than_the_threshold_blames_nobody(tmp_path: Path) -> None:
    keys = await fleet(tmp_path, 5)
    async with server(tmp_path, **SETTINGS) as serve:
        await serve.start()
        for key in keys.values():
            assert await serve.beat(key) == 204
        serve.kill()
        await nobody_heard(tmp_path)
        await serve.start()
        async with beating(serve, keys) as answers:
            await accepted(answers, 40)
        assert set(rows(tmp_path, EVENTS)) == {("machine.online",)}
        assert ("stopped",) in rows(tmp_path, BLIND)


# --- the wall clock ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_wall_clock_that_jumps_an_hour_raises_no_false_alarm_and_hides_no_silence(
    tmp_path: Path, hours: int
) -> None:
    need(LIBRARY, MISSING)
    keys = await fleet(tmp_path, 5)
    offset = tmp_path / "offset"
    offset.write_text("+0")
    async with server(tmp_path, **SETTINGS, **faked(offset)) as serve:
        await serve.start()
        silent = keys.pop("m4")
        async with beating(serve, keys) as answers:
            assert await serve.beat(silent) == 204
            await accepted(answers, 8)
            offset.write_text(f"{hours * 3600:+d}")
            await accepted(answers, 60)
            await eventually(lambda: ("machine.offline",) in rows(tmp_path, EVENTS))
        told = rows(
            tmp_path,
            "SELECT DISTINCT slug FROM events JOIN machines ON machines.id = machine_id WHERE type = 'machine.offline'",
        )
        assert told == [("m4",)]
    log = serve.log.read_text()
    assert ("clock_stepped" if hours > 0 else "clock_fell_back") in log


# --- the disk ---------------------------------------------------------------------------------------------------------


async def test_a_full_disk_refuses_heartbeats_acknowledges_nothing_and_blames_nobody(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as folder:
        keys = await fleet(folder, 5)
        async with server(folder, **SETTINGS) as serve:
            await serve.start()
            async with beating(serve, keys) as answers:
                await accepted(answers, 10)
                fill(folder / "ballast")
                seen = len(answers)
                await eventually(lambda: answers[seen:].count(503) >= 10)
                await nobody_heard(folder)
            assert set(answers) <= {0, 204, 503}
            (folder / "ballast").unlink()
            await eventually(lambda: rows(folder, WATCHED_ANEW) == [(5,)])
            assert ("store",) in rows(folder, BLIND)
            async with beating(serve, keys) as answers:
                await accepted(answers, 60)
            assert set(rows(folder, EVENTS)) == {("machine.online",)}


WATCHED_ANEW = """
SELECT count(*) FROM liveness WHERE check_at > (SELECT max(ended_at) FROM blind_periods WHERE reason = 'store')
"""
"""Machines that were looked at after the trouble, before anything was heard of them again."""
