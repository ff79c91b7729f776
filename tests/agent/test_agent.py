"""The agent as a whole, against a real server; and as the process people run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from lastseen.agent.loop import Agent, Options, run
from lastseen.agent.numbers import Numbers
from lastseen.agent.sender import Sender, endpoint
from lastseen.clock import SystemClock
from lastseen.errors import ConfigurationError
from lastseen.testing import FakeClock
from tests.agent.servers import KEY, NO_CONTENT, Reply, Server, answer, reset, serving
from tests.support import eventually

OTHER = "lsm_second-key-0123456789"
REFUSED = answer("401 Unauthorized", b'{"detail": "no such key"}')


@asynccontextmanager
async def agent_at(key_file: Path, *replies: Reply) -> AsyncIterator[tuple[Server, FakeClock]]:
    """An agent that runs beside the test, on a clock that the test turns."""
    clock = FakeClock()
    async with serving(*replies) as server, Sender(endpoint(server.url), timeout=60) as sender:
        agent = Agent(Options(server.url, key_file, interval=30), sender, clock)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(agent.run)
            await eventually(lambda: server.requests)
            yield server, clock
            tasks.cancel_scope.cancel()


async def test_the_first_report_goes_at_once_and_the_next_after_the_interval(key_file: Path) -> None:
    async with agent_at(key_file, NO_CONTENT) as (server, clock):
        await eventually(lambda: asleep(clock))
        await advance(clock, 26)
        assert len(server.requests) == 1
        await advance(clock, 8)
        await eventually(lambda: len(server.requests) == 2)
    body = json.loads(server.requests[0].body)
    assert body["uptime_seconds"] >= 0
    assert body["free_memory"] > 0
    assert body["metrics"]["mem_used_pct"] > 0


async def test_a_failure_is_tried_again_soon_and_told_once(key_file: Path) -> None:
    with capture_logs() as logs:
        async with agent_at(key_file, reset, reset, reset, NO_CONTENT) as (server, clock):
            while len(server.requests) < 4:
                await eventually(lambda: asleep(clock) or len(server.requests) == 4)
                await advance(clock, 1)
            await eventually(lambda: [log["event"] for log in logs] == ["agent_not_heard", "agent_heard"])
            assert clock.monotonic() < 10
    assert logs[1]["failures"] == 3


async def test_a_new_key_in_the_file_is_used_without_waiting_for_the_slow_retry(key_file: Path) -> None:
    with capture_logs() as logs:
        async with agent_at(key_file, REFUSED, NO_CONTENT) as (server, clock):
            await eventually(lambda: asleep(clock))
            key_file.write_text(OTHER)
            await advance(clock, 6)
            await eventually(lambda: len(server.requests) == 2)
    assert [request.key for request in server.requests] == [KEY, OTHER]
    assert [log["event"] for log in logs][:2] == ["agent_refused", "agent_key_changed"]
    assert not any(secret in json.dumps(logs) for secret in (KEY, OTHER))


async def test_a_key_file_that_vanishes_or_empties_leaves_the_last_key_in_use(key_file: Path) -> None:
    async with agent_at(key_file, NO_CONTENT) as (server, clock):
        await eventually(lambda: asleep(clock))
        key_file.write_text("")
        await advance(clock, 34)
        await eventually(lambda: len(server.requests) == 2)
        await eventually(lambda: asleep(clock))
        key_file.unlink()
        await advance(clock, 34)
        await eventually(lambda: len(server.requests) == 3)
    assert {request.key for request in server.requests} == {KEY}


async def test_a_report_that_is_refused_is_followed_by_a_bare_heartbeat(key_file: Path) -> None:
    async with agent_at(key_file, answer("422 No", b'{"detail": "metrics: no"}'), NO_CONTENT) as (server, _):
        await eventually(lambda: len(server.requests) == 2)
    assert server.requests[1].body == b""


async def test_once_is_one_report_and_its_result(key_file: Path) -> None:
    async with serving(NO_CONTENT, REFUSED) as server:
        assert await run(Options(server.url, key_file, once=True)) == 0
        assert await run(Options(server.url, key_file, once=True)) == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize("content", ["", "two words", "sch\u00f6n", "two\nlines", "nul\0"])
async def test_a_file_that_holds_no_key_is_refused_at_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(ConfigurationError, match="holds no key"):
        await run(Options("http://127.0.0.1:1", tmp_path / "key", once=True))


def test_numbers_that_cannot_be_read_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    def broken(*_: object, **__: object) -> float:
        raise OSError("no /proc here")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    monkeypatch.setattr(psutil, "boot_time", broken)
    report = Numbers().report(SystemClock().wall())
    assert "free_memory" not in report
    assert "uptime_seconds" not in report
    assert "disk_used_pct" in report["metrics"]


async def test_sigterm_says_goodbye_and_ends_with_zero(key_file: Path) -> None:
    async with serving(NO_CONTENT) as server:
        process = start(["--server", server.url, "--key-file", str(key_file), "--goodbye"])
        try:
            await eventually(lambda: len(server.requests) == 1)
            process.send_signal(signal.SIGTERM)
            code = await anyio.to_thread.run_sync(process.wait, 60)
        finally:
            process.kill()
        errors = process.communicate()[1]
    assert code == 0, errors
    assert json.loads(server.requests[-1].body) == {"status": "offline"}
    assert KEY not in errors


def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lastseen", "agent", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )


def asleep(clock: FakeClock) -> bool:
    return any(not ring.done() for _, _, ring in clock._sleepers)


async def advance(clock: FakeClock, seconds: float) -> None:
    """In steps that the agent notices: it looks at its key file while it waits."""
    await clock.advance(f"{seconds}s")
