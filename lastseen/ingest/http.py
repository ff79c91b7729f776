"""`POST /api/v1/heartbeat`: the hot path, as raw ASGI.

A framework around it would cost more than all that it does: find the key in memory, read a small body, join the batch
that is being gathered, answer when it is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Protocol

from lastseen.clock import Clock
from lastseen.errors import LastseenError
from lastseen.ingest.auth import Grant, KeyCache
from lastseen.log import get_logger
from lastseen.model import Beat
from lastseen.problems import DISABLED, MEDIA_TYPE, NO_KEY, UNEXPECTED, WRONG_KEY, Problem, problem_of
from lastseen.report import MAX_BYTES, Report, parse_report

PATH = "/api/v1/heartbeat"

PATIENCE = 30.0
"""Seconds that a body may take to arrive."""

DRAINED = 1024 * 1024
"""A refused body up to this size is read to its end, so that the client sees the answer; after it we hang up."""

SKEW = 60.0
"""Seconds that a machine's clock may be off before it is worth a line in the log."""

SKEW_EVERY = 3600.0
_SKEWED_KEPT = 1000

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Answer = tuple[Message, Message]

_log = get_logger()


class Recording(Protocol):
    """What the hot path wants of a monitor."""

    @property
    def clock(self) -> Clock: ...

    def record(self, beat: Beat) -> Awaitable[None]: ...


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class ClientGone(Exception):
    """Nobody is there to be answered."""


def _answer(status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> Answer:
    start = {"type": "http.response.start", "status": status, "headers": list(headers)}
    return start, {"type": "http.response.body", "body": body}


def _problem(problem: Problem, more: Mapping[str, str] | None = None) -> Answer:
    body = problem.body()
    said = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers, **(more or {})}
    return _answer(problem.status, [(k.lower().encode(), v.encode()) for k, v in said.items()], body)


_NOTHING = Report()
_STORED = _answer(204)
_OPTIONS = _answer(204, [(b"allow", b"OPTIONS, POST")])
_TOO_LARGE = Problem(413, f"a heartbeat's body is at most {MAX_BYTES // 1024} KiB")
_WRONG_METHOD = Problem(405, "heartbeats are sent with POST", headers={"Allow": "OPTIONS, POST"})
_TOO_SLOW = Problem(408, f"the body did not arrive within {PATIENCE:g} s", headers={"Connection": "close"})
_FIXED = {id(p): _problem(p) for p in (NO_KEY, WRONG_KEY, DISABLED, UNEXPECTED)}
_WRONG_SCOPE = {
    "api": "an lsa_ key is for the API: heartbeats are sent with the machine's own key, which begins with lsm_",
    "fleet": "an lsf_ key reports for many machines at /api/v1/heartbeats: here the machine's own key (lsm_) is wanted",
}


class HeartbeatRoute:
    """The ASGI application behind `PATH`. Never raises; what was not expected is logged and answered with 500."""

    def __init__(self, monitor: Recording, keys: KeyCache) -> None:
        self._record, self._clock, self._keys = monitor.record, monitor.clock, keys
        self._skewed: dict[int, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "POST":
                await self._take(scope, receive)
                start, body = _STORED
            else:
                start, body = _other_method(scope["method"])
        except ClientGone:
            return
        except Refused as refused:
            start, body = _FIXED.get(id(refused.problem)) or _problem(refused.problem)
        except LastseenError as error:
            start, body = _problem(problem_of(error) or self._unexpected(error))
        except Exception as error:  # noqa: BLE001  (one request must not end in a broken connection: logged, answered)
            start, body = _problem(self._unexpected(error))
        await send(start)
        await send(body)

    def _unexpected(self, error: Exception) -> Problem:
        _log.error("request_failed", path=PATH, error=type(error).__name__, exc_info=error)
        return UNEXPECTED

    async def _take(self, scope: Scope, receive: Receive) -> None:
        """Return when the heartbeat is durable."""
        headers = dict(scope["headers"])
        now = self._clock.now()
        key = _key(headers)
        grant = self._keys.get(key, now)
        if grant is None:
            grant = await self._keys.find(key, now)
            now = self._clock.now()
        if grant is None or grant.machine_id is None or not grant.enabled or grant.scope != "machine":
            raise Refused(_refusal(grant))
        if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
            report = _NOTHING
        else:
            report = parse_report(await _body(headers, receive))
            now = self._clock.now()  # heard when all of it has arrived: a body may take its time
            if report.said_at is not None:
                self._compare_clocks(grant.machine_id, report)
        await self._record(Beat(grant.machine_id, now, report.said, body=report.body, said_at=report.said_at))

    def _compare_clocks(self, machine: int, report: Report) -> None:
        """A machine's own time never decides anything; that it is wrong is worth knowing, once in a while."""
        if report.said_at is None:
            return
        off = (report.said_at - self._clock.wall()).total_seconds()
        if abs(off) <= SKEW:
            return
        now = self._clock.monotonic()
        if self._skewed.get(machine, float("-inf")) + SKEW_EVERY > now:
            return
        if len(self._skewed) >= _SKEWED_KEPT:
            self._skewed.clear()
        self._skewed[machine] = now
        _log.warning("machine_clock_skewed", machine_id=machine, seconds=round(off))


def _key(headers: Mapping[bytes, bytes]) -> bytes:
    said = headers.get(b"authorization", b"")
    key = said[7:] if said[:7].lower() == b"bearer " else headers.get(b"x-api-key", b"")
    key = key.strip()
    if not key:
        raise Refused(NO_KEY)
    return key


def _refusal(grant: Grant | None) -> Problem:
    if grant is None:
        return WRONG_KEY
    if grant.scope != "machine":
        return Problem(403, _WRONG_SCOPE.get(grant.scope, "this key is not for sending heartbeats"))
    return DISABLED


def _other_method(method: str) -> Answer:
    if method == "OPTIONS":
        return _OPTIONS
    start, body = _problem(_WRONG_METHOD)
    return (start, {**body, "body": b""}) if method == "HEAD" else (start, body)


async def _body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The whole body; one that is declared too long is refused before it is read."""
    declared = int(headers.get(b"content-length", b"0"))
    if declared > MAX_BYTES:
        raise Refused(_too_large(hang_up=declared > DRAINED))
    try:
        async with asyncio.timeout(PATIENCE):
            return await _read(receive)
    except TimeoutError:
        raise Refused(_TOO_SLOW) from None


async def _read(receive: Receive) -> bytes:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body = bytes(message.get("body", b""))
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BYTES:
            body += part
        elif size > DRAINED:
            raise Refused(_too_large(hang_up=True))
    if size > MAX_BYTES:
        raise Refused(_too_large(hang_up=False))
    return body


def _too_large(*, hang_up: bool) -> Problem:
    return Problem(413, _TOO_LARGE.detail, headers={"Connection": "close"}) if hang_up else _TOO_LARGE
