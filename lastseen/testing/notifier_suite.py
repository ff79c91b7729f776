"""The whole test of a notifier, against a real HTTP far end that is slow, broken, rude and curious.

::

    class TestGotify(NotifierSuite):
        def make(self, server, tools):
            return Gotify(Gotify.Config(url=server.url, token="t0p-s3cret"), tools)
"""

# ruff: noqa: S101  (a suite asserts)
from __future__ import annotations

import contextlib
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from anyio.abc import TaskStatus
from pydantic import BaseModel, SecretStr
from structlog.testing import capture_logs

from lastseen.clock import Clock, SystemClock
from lastseen.model import Delivered, Event, Message, Outcome, Rejected, Retry, Scope, Severity, Status
from lastseen.testing.far_end import Answer, FarEnd

PATIENCE = 1.0
"""Seconds that a far end which does not answer is waited for before the send is cancelled, as the dispatcher would."""

AMPLE = 60.0
"""Seconds for a send whose far end answers: a busy machine is slow."""

STALL = 0.5
"""Seconds for which the event loop may stand still, beyond what the machine makes everybody wait."""

_SHORTEST_SECRET = 5
_QUIET = ("httpx", "httpcore", "asyncio")


@dataclass(frozen=True)
class SuiteTools:
    """What the notifier is handed: an ordinary client that does not follow redirects, with short time-outs."""

    http: httpx.AsyncClient
    clock: Clock = field(default_factory=SystemClock)
    servers: dict[str, str] = field(default_factory=dict)


class NotifierSuite:
    """Subclass it and give `make(self, server, tools)`: a notifier that sends to `server.url`.

    Override `ok` where the far end's way to say yes is more than a 200, and `failure` where its errors have a form.
    """

    pytestmark = pytest.mark.anyio

    def make(self, server: FarEnd, tools: Any) -> Any:
        raise TypeError(f"{type(self).__name__} must define make(self, server, tools) -> Notifier")

    def ok(self) -> Answer:
        return Answer(200)

    def failure(self, status: int, headers: dict[str, str] | None = None) -> Answer:
        return Answer(status, b"no", headers or {})

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def server(self) -> Iterator[FarEnd]:
        with FarEnd(self.ok()) as server:
            yield server

    @contextlib.asynccontextmanager
    async def speaking(self, server: FarEnd, timeout: float = AMPLE / 2) -> AsyncIterator[Any]:
        """The notifier, started, and closed afterwards. `timeout`: that of the client in its tools, in seconds."""
        async with httpx.AsyncClient(timeout=timeout, trust_env=False) as http:
            notifier = self.make(server, SuiteTools(http))
            await _optional(notifier, "start")
            try:
                yield notifier
            finally:
                await _optional(notifier, "close")

    # -- what goes well

    async def test_a_message_is_delivered_once_and_its_words_arrive(self, server: FarEnd) -> None:
        async with self.speaking(server) as notifier:
            outcome = await speak(notifier, a_message())
        assert isinstance(outcome, Delivered), f"a far end that says yes is Delivered, not {outcome!r}"
        assert len(server.requests) == 1, f"one call to the far end, not {len(server.requests)}"
        assert "db-01" in server.requests[0].said, "the machine's name did not arrive"

    async def test_a_batch_is_one_call(self, server: FarEnd) -> None:
        async with self.speaking(server) as notifier:
            if getattr(notifier, "max_batch", 1) < 2:
                pytest.skip(f"{type(notifier).__name__} speaks for one event at a time")
            outcome = await speak(notifier, a_message("db-01", "nas-02"))
        assert isinstance(outcome, Delivered)
        assert len(server.requests) == 1
        assert "nas-02" in server.requests[0].said

    @pytest.mark.parametrize("name", ["🦊 Füchse & <b>Söhne", "db\u202e10", "\"; \\ %s {0} '", "x" * 20_000])
    async def test_odd_and_huge_names_get_through(self, server: FarEnd, name: str) -> None:
        async with self.speaking(server) as notifier:
            outcome = await speak(notifier, a_message(name))
        assert isinstance(outcome, Delivered), f"a name like {name[:20]!r} must not get in the way: {outcome!r}"

    # -- what does not

    @pytest.mark.parametrize("status", [500, 502, 503])
    async def test_an_error_of_the_far_end_is_tried_again(self, server: FarEnd, status: int) -> None:
        server.script(self.failure(status))
        async with self.speaking(server) as notifier:
            outcome = await speak(notifier, a_message())
        assert isinstance(outcome, Retry), f"{status} may be over later: Retry, not {outcome!r}"

    async def test_too_many_requests_are_tried_again_when_the_far_end_says(self, server: FarEnd) -> None:
        server.script(self.failure(429, {"retry-after": "7"}))
        async with self.speaking(server) as notifier:
            outcome = await speak(notifier, a_message())
        assert isinstance(outcome, Retry), f"429 may be over later: Retry, not {outcome!r}"
        if outcome.after is not None:
            assert timedelta(0) < outcome.after <= timedelta(hours=1), "Retry-After is in seconds"

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
    async def test_a_refusal_is_never_taken_for_delivered(self, server: FarEnd, status: int) -> None:
        server.otherwise = self.failure(status)
        async with self.speaking(server) as notifier:
            outcome = await speak(notifier, a_message())
        assert isinstance(outcome, Retry | Rejected), f"{status} is not Delivered"
        assert outcome.reason, "an outcome that is not Delivered says why"
        assert isinstance(outcome.scope, Scope)

    async def test_a_redirect_is_not_taken_for_delivered(self, server: FarEnd) -> None:
        server.otherwise = self.failure(302, {"location": "http://127.0.0.1:9/"})
        async with self.speaking(server) as notifier:
            outcome = await speak(notifier, a_message())
        assert isinstance(outcome, Retry | Rejected), "a redirect is neither followed nor Delivered"

    async def test_a_reset_connection_is_tried_again(self, server: FarEnd) -> None:
        server.otherwise = Answer(reset=True)
        async with self.speaking(server) as notifier:
            outcome = await speak(notifier, a_message())
        assert isinstance(outcome, Retry), f"a reset leaves it unknown: Retry, not {outcome!r}"

    async def test_a_far_end_that_never_answers_is_left_in_time(self, server: FarEnd) -> None:
        server.otherwise = Answer(hang=True)
        async with self.speaking(server, PATIENCE / 2) as notifier, the_loop_runs():
            outcome = await speak(notifier, a_message(), PATIENCE)
        assert isinstance(outcome, Retry), f"no answer leaves it unknown: Retry, not {outcome!r}"

    async def test_a_slow_far_end_does_not_stop_the_event_loop(self, server: FarEnd) -> None:
        server.otherwise = Answer(**{**_fields(self.ok()), "delay": STALL * 2})
        async with self.speaking(server, PATIENCE / 2) as notifier, the_loop_runs():
            await speak(notifier, a_message(), PATIENCE)

    async def test_a_cancelled_send_leaves_nothing_behind(self, server: FarEnd) -> None:
        server.script(Answer(hang=True))
        async with self.speaking(server) as notifier:
            with anyio.move_on_after(PATIENCE / 10):
                await speak(notifier, a_message())
            outcome = await speak(notifier, a_message())
        assert isinstance(outcome, Delivered), f"after a cancelled send the next one must work: {outcome!r}"

    # -- secrets

    @pytest.mark.parametrize("status", [400, 401, 429, 500])
    async def test_no_secret_is_in_an_outcome_a_repr_or_a_log(
        self, server: FarEnd, status: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.echo(status)
        with caplog.at_level(logging.DEBUG), capture_logs() as logged:
            async with self.speaking(server) as notifier:
                hidden = secrets_of(notifier)
                outcome = await speak(notifier, a_message())
                texts = {"the outcome": repr(outcome), "repr(notifier)": repr(notifier) + str(notifier)}
        texts["a log line"] = "\n".join(r.getMessage() for r in caplog.records if r.name.split(".")[0] not in _QUIET)
        texts["a log event"] = repr(logged)
        texts["what it printed"] = "".join(capsys.readouterr())
        for where, text in texts.items():
            assert not [name for name, secret in hidden.items() if secret in text], f"a secret is in {where}"


# -- what the suite does to a notifier


async def speak(notifier: Any, message: Message, patience: float = AMPLE) -> Outcome:
    """One send, judged as the dispatcher does: None is Delivered, an exception or no answer in time is Retry."""
    with anyio.move_on_after(patience):
        try:
            if getattr(notifier, "blocking", False):  # its send is a plain function, which runs in a thread
                answer = await anyio.to_thread.run_sync(notifier.send, message, abandon_on_cancel=True)
            else:
                answer = await notifier.send(message)
        except Exception as error:  # noqa: BLE001  (a plugin may raise anything: it counts as Retry)
            return Retry(type(error).__name__)
        assert answer is None or isinstance(answer, Outcome), f"send returns an Outcome or None, not {answer!r}"
        return answer or Delivered()
    return Retry(f"no answer within {patience} s")


@contextlib.asynccontextmanager
async def the_loop_runs() -> AsyncIterator[None]:
    """Fails if the event loop stood still meanwhile: somebody waits without awaiting. A thread is watched beside it, so
    that a machine which is too busy for either is not held against the notifier."""
    loop, thread, over, monotonic = [0.0], [0.0], threading.Event(), SystemClock().monotonic

    async def tick(task_status: TaskStatus[None]) -> None:
        task_status.started()
        while True:
            before = monotonic()
            await anyio.sleep(STALL / 20)
            loop.append(monotonic() - before)

    def beside() -> None:
        before = monotonic()
        while not over.wait(STALL / 20):
            thread.append(monotonic() - before)
            before = monotonic()

    watcher = threading.Thread(target=beside, daemon=True)
    watcher.start()
    try:
        async with anyio.create_task_group() as group:
            await group.start(tick)
            yield
            await anyio.sleep(STALL / 10)
            group.cancel_scope.cancel()
    finally:
        over.set()
        watcher.join()
    worst = max(loop) - max(thread)
    assert worst < STALL, f"the event loop stood still for {worst:.1f} s: use `await`, or a thread"


def secrets_of(notifier: Any) -> dict[str, str]:
    """Every SecretStr that it was configured with, by field."""
    models = [value for value in vars(notifier).values() if isinstance(value, BaseModel)]
    return {
        name: value.get_secret_value()
        for model in models
        for name, value in model
        if isinstance(value, SecretStr) and len(value.get_secret_value()) >= _SHORTEST_SECRET
    }


def a_message(*names: str) -> Message:
    """What the dispatcher would hand on: machines that have fallen silent."""
    names = names or ("db-01",)
    moment = datetime(2025, 10, 10, 3, 2, 12, tzinfo=UTC)
    title = f"🔴 {names[0]} offline since 03:00" if len(names) == 1 else f"🔴 {len(names)} offline: {', '.join(names)}"
    text = "\n".join([title[:1000], *[f"{name[:1000]}: last heartbeat 03:00:12, limit 2 min." for name in names]])
    html = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    events = tuple(_event(number, name, moment) for number, name in enumerate(names, 1))
    return Message(
        title[:1000], text, html, events, id="6b1e4f9e-7a4c-5d7e-9a55-0c6f1d1e0001", wall=SystemClock().wall()
    )


def _event(number: int, name: str, at: datetime) -> Event:
    machine = {"id": number, "name": name, "hostname": "", "description": "", "status": "offline", "last_seen": None}
    return Event(
        uid=f"6b1e4f9e-7a4c-5d7e-9a55-0c6f1d1f{number:04}",
        type="machine.offline",
        severity=Severity.ALERT,
        at=at,
        reason="silent",
        snapshot={"machine": machine, "slug": f"m-{number}", "kind": "server", "group": "http", "tags": []},
        machine_id=number,
        machine=f"m-{number}",
        seq=1,
        previous_status=Status.ONLINE,
        status=Status.OFFLINE,
    )


async def _optional(notifier: Any, name: str) -> None:
    method = getattr(notifier, name, None)
    if method is not None:
        answer = method()
        if inspect.isawaitable(answer):
            await answer


def _fields(answer: Answer) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in Answer.__slots__}
