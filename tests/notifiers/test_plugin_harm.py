"""A plugin that does its worst harms its own channel only: real plugins, installed, through a whole monitor."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from structlog.testing import capture_logs

from lastseen import plugins
from lastseen.model import Channel, Delivered, Message, Retry
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.notifiers import contained
from lastseen.notifiers.addresses import Policy
from lastseen.notifiers.contained import off_the_loop, watched
from lastseen.notifiers.guard import guarded_client, lent
from lastseen.notifiers.tools import Tools
from lastseen.testing import FakeClock, RecordingNotifier
from lastseen.testing.far_end import Answer, FarEnd
from tests.installing import install, site
from tests.monitor.cases import url_of
from tests.support import eventually, until

__all__ = ["site"]  # the fixture

PLUGIN = """
import asyncio, time
from pydantic import BaseModel
from lastseen import Retry, Delivered

class Harsh(BaseException): pass
KEPT = []

class Harm:
    class Config(BaseModel): pass
    timeout = 0.05
    def __init__(self, config, tools): self.http = tools.http
    async def send(self, message):
        {body}
    {more}
"""

BODIES = {
    "hangs": "await asyncio.Event().wait()",
    "hangs and does not want to end": """
        for _ in range(3):
            try: await asyncio.Event().wait()
            except asyncio.CancelledError: pass""",
    "raises": "raise RuntimeError('no')",
    "wants to end the program": "raise SystemExit(3)",
    "presses Ctrl-C": "raise KeyboardInterrupt",
    "raises what is no Exception": "raise Harsh",
    "raises many": "raise BaseExceptionGroup('many', [Harsh(), SystemExit(1), ValueError()])",
    "says that it was cancelled": "raise asyncio.CancelledError",
    "stops an iteration": "raise StopIteration",
    "ends in a group": """
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            raise Harsh""",
    "answers nonsense": "return object()",
    "answers a function": "return print",
    "answers a class": "return Delivered",
    "gives a reason that is none": "return Retry(reason=7, after='soon')",
    "leaves tasks behind": "KEPT.extend(asyncio.create_task(asyncio.sleep(3600)) for _ in range(100))",
    "scribbles": "message.events[0].snapshot['machine']['name'] = 'EVIL'",
    "closes what it was lent": "await self.http.aclose()",
    "goes through what it was handed": "message.events[0].uid = 'EVIL'",
}
MORE = {
    "cannot start": "async def start(self): raise SystemExit(3)",
    "does not start": "async def start(self): raise asyncio.CancelledError",
    "cannot be closed": "async def close(self): raise Harsh",
    "cannot be made": "def __new__(cls, *given): raise SystemExit(3)",
    "has a far end that is none": "host = 7",
    "has a label that raises": "label = property(lambda self: 1 / 0)",
    "cannot edit": "async def edit(self, receipt, message): raise SystemExit(3)",
}
ROWS = [*[(name, body, "") for name, body in BODIES.items()], *[(name, "pass", more) for name, more in MORE.items()]]


@pytest.fixture
def handled() -> Iterator[None]:
    """Ctrl-C has a handler, as under `asyncio.run` and in the server."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handled")
@pytest.mark.parametrize(("name", "body", "more"), ROWS, ids=[row[0] for row in ROWS])
async def test_the_others_are_told_and_the_monitor_goes_on(
    site: Path, tmp_path: Path, name: str, body: str, more: str
) -> None:
    install(site, "harm_plugin", PLUGIN.format(body=body, more=more), "[lastseen.notifiers]\nharm = harm_plugin:Harm\n")
    clock, told = FakeClock(), RecordingNotifier()
    async with guarded_client(Policy(allow_private=True)) as shared:

        def make(channel: Channel, secrets: Any) -> Any:
            return told if channel.type == "good" else plugins.make_notifier("harm", {}, {}, Tools(lent(shared)))

        monitor = HeartbeatMonitor(url_of("sqlite", tmp_path), offline_after="3m", notifier_for=make, clock=clock)
        async with monitor.opened():
            for type_ in ("harm", "good"):
                await monitor.store.add_channel(type_, type_, {}, {}, type_, clock.now())  # type: ignore[attr-defined]
        with anyio.fail_after(60):
            async with monitor:
                for machine in ("pump", "lamp"):
                    await monitor.heartbeat(machine)
                    await clock.advance("5m")
        with FarEnd() as server:
            assert (await shared.get(server.url)).is_success, "the shared client is whole"
    names = [event.snapshot["machine"]["name"] for message in told.messages for event in message.events]
    assert names == ["pump", "lamp"]


def test_what_a_program_raises_itself_to_end_is_not_kept_from_it(handled: None) -> None:
    ends = [SystemExit(3), KeyboardInterrupt(), BaseExceptionGroup("", [ValueError(), SystemExit(3)])]
    assert not any(contained.own_fault(error, in_code=True) for error in ends)
    assert all(contained.own_fault(error) for error in ends)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert not contained.own_fault(KeyboardInterrupt()), "nobody else handles Ctrl-C here: it may be a person"
    assert not contained.own_fault(GeneratorExit())


# -- the event loop


async def test_what_holds_the_loop_is_named_and_what_waits_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(contained, "_monotonic", lambda: now[0])

    async def slow(patience: float) -> str:
        await asyncio.sleep(0)
        now[0] += patience  # as time.sleep would
        await asyncio.sleep(0)
        return "done"

    with capture_logs() as logged:
        assert await watched(slow(0.4), "patient") == "done"
        assert await watched(slow(0.6), "greedy") == "done"
        with pytest.raises(ZeroDivisionError):
            await watched(failing(), "failing")
    assert logged == [{"event": "notifier_blocks", "channel": "greedy", "seconds": 0.6, "log_level": "error"}]


async def test_what_holds_the_loop_for_ever_is_named_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contained, "STUCK", 0.05)
    monkeypatch.setattr(contained, "LOOK", 0.01)

    async def stuck() -> None:
        until(lambda: any(line.get("channel") == "stuck" for line in logged), "it is named")  # never awaits

    with capture_logs() as logged:
        await watched(stuck(), "stuck")
    assert logged[0]["event"] == "notifier_blocks"


async def failing() -> None:
    await asyncio.sleep(0)
    raise ZeroDivisionError


async def test_a_cancelled_send_is_cancelled_inside_too() -> None:
    ends: list[str] = []

    async def send() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cleaned up")

    with anyio.move_on_after(0.01):
        await watched(send(), "ops")
    assert ends == ["cleaned up"]


class Blocking:
    """Waits without awaiting."""

    blocking = True
    timeout = 0.05
    max_batch = 7

    def __init__(self) -> None:
        self.release, self.threads = threading.Event(), set[str]()

    def send(self, message: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        if message == "hang":
            self.release.wait(60)
        if isinstance(message, BaseException):
            raise message
        return Delivered(str(message))


@pytest.fixture
def blocking() -> Iterator[Blocking]:
    notifier = Blocking()
    yield notifier
    notifier.release.set()


async def test_a_blocking_notifier_speaks_from_a_thread_and_is_itself_otherwise(blocking: Blocking) -> None:
    notifier = off_the_loop(blocking)
    assert await notifier.send("hello") == Delivered("hello")
    assert (blocking.threads, notifier.max_batch) == ({"notifier"}, 7)
    for error, seen in ((ValueError("no"), ValueError), (SystemExit(3), RuntimeError), (StopIteration(), RuntimeError)):
        with pytest.raises(seen):
            await notifier.send(error)


async def test_a_blocking_notifier_that_hangs_holds_up_nobody_and_works_again_when_it_is_through(
    blocking: Blocking,
) -> None:
    notifier = off_the_loop(blocking)
    async with anyio.create_task_group() as group:
        for _ in range(contained.THREADS + 3):
            group.start_soon(impatient, notifier)
    with anyio.move_on_after(0.02) as waited:
        await notifier.send("nobody is free")
    assert waited.cancelled_caught, "it has only so many threads"
    blocking.release.set()
    assert await eventually(lambda: notifier.send("hello")) == Delivered("hello")


async def impatient(notifier: Any) -> None:
    with anyio.move_on_after(0.02):
        await notifier.send("hang")


async def test_a_blocking_notifier_hangs_and_the_others_are_told(tmp_path: Path, blocking: Blocking) -> None:
    told, clock = RecordingNotifier(), FakeClock()
    blocking.send = lambda message: blocking.release.wait(60) and Retry("late")  # type: ignore[method-assign]
    notify = {"stuck": blocking, "ops": told}
    async with HeartbeatMonitor(url_of("sqlite", tmp_path), offline_after="3m", notify=notify, clock=clock) as monitor:
        await monitor.heartbeat("pump")
        await clock.advance("4m")
        assert [message.event.machine for message in told.messages] == ["pump"]


def test_blocking_and_async_do_not_go_together() -> None:
    class Both:
        blocking = True

        async def send(self, message: Message) -> None: ...

    with pytest.raises(TypeError, match="without async"):
        off_the_loop(Both())


# -- the connections


async def test_a_far_end_that_does_not_answer_takes_no_connection_from_another() -> None:
    with FarEnd(Answer(hang=True)) as silent, FarEnd() as other:
        async with guarded_client(Policy(allow_private=True), timeout=240) as http, anyio.create_task_group() as group:
            for _ in range(80):
                group.start_soon(http.post, silent.url)
            await eventually(lambda: len(silent.requests) >= 64)
            with anyio.fail_after(60):
                assert (await http.post(other.url)).is_success
            group.cancel_scope.cancel()


async def test_answers_that_nobody_reads_or_closes_use_up_nothing() -> None:
    with FarEnd(Answer(body=b"x" * 100_000)) as server:
        async with guarded_client(Policy(allow_private=True), timeout=10) as http:
            held = [await http.send(http.build_request("GET", server.url), stream=True) for _ in range(100)]
            assert {answer.status_code for answer in held} == {200}


async def test_a_plugin_that_closes_its_client_closes_nobody_elses() -> None:
    with FarEnd() as server:
        async with guarded_client(Policy(allow_private=True)) as shared:
            async with lent(shared) as own:
                assert (await own.get(server.url)).is_success
            with pytest.raises(RuntimeError):
                await own.get(server.url)
            assert (await shared.get(server.url)).is_success
            assert (await lent(shared).get(server.url)).is_success
            assert isinstance(shared, httpx.AsyncClient)
