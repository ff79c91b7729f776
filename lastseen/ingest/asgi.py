"""What the raw ASGI routes share: reading a body, and answering. A framework would cost more than all that they do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Protocol

from lastseen.clock import Clock
from lastseen.ingest.tally import count_failed
from lastseen.log import get_logger
from lastseen.model import Beat
from lastseen.problems import MEDIA_TYPE, UNEXPECTED, Problem

PATIENCE = 30.0
"""Seconds that a body may take to arrive."""

DRAINED = 1024 * 1024
"""So much more than is allowed is read to its end, so that the client sees the refusal; after it we hang up."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Mapping[bytes, bytes]
Answer = tuple[Message, Message]

_COMPRESSED = Problem(
    415, "the body is sent as it is here, without Content-Encoding", headers={"Accept-Encoding": "identity"}
)
_log = get_logger()


class Way(Protocol):
    """The way in itself, as a monitor knows it."""

    def missed(self, seconds: float) -> None: ...

    def waits(self, waited: Callable[[], float]) -> None: ...


class Recording(Protocol):
    """What a way in wants of a monitor."""

    @property
    def clock(self) -> Clock: ...

    @property
    def here(self) -> Way: ...

    def record(self, beat: Beat) -> Awaitable[None]: ...


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class ClientGone(Exception):
    """Nobody is there to be answered."""


def answer(status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> Answer:
    """Any answer. A body wants its content-length among the headers, or it is sent in chunks."""
    start = {"type": "http.response.start", "status": status, "headers": list(headers)}
    return start, {"type": "http.response.body", "body": body}


def text_answer(status: int, media_type: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a body of a known type."""
    said = {"content-type": media_type, "content-length": str(len(body)), **(headers or {})}
    return answer(status, [(k.lower().encode(), v.encode()) for k, v in said.items()], body)


def problem_answer(problem: Problem) -> Answer:
    """A refusal, as everything under `/api/v1` says it."""
    return text_answer(problem.status, MEDIA_TYPE, problem.body(), problem.headers)


def without_body(given: Answer) -> Answer:
    """The answer to HEAD."""
    start, body = given
    return start, {**body, "body": b""}


def unexpected(path: str, error: Exception) -> Problem:
    """What nobody thought of: it is logged, and answered with 500. `path` is the route's, without what is secret."""
    count_failed()
    _log.error("request_failed", path=path, error=type(error).__name__, exc_info=error)
    return UNEXPECTED


def too_slow() -> Problem:
    return Problem(408, f"the body did not arrive within {PATIENCE:g} s", headers={"Connection": "close"})


def has_body(headers: Headers) -> bool:
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


async def whole_body(headers: Headers, receive: Receive, most: int, too_large: Problem) -> bytes:
    """The whole body; one that is declared too long is refused before it is read, and so is a compressed one: what a
    limit is worth is not known before it is unpacked. Raises Refused, ClientGone."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Refused(_COMPRESSED)
    declared = int(headers.get(b"content-length", b"0"))
    if declared > most:
        raise Refused(_hanging_up(too_large) if declared > most + DRAINED else too_large)
    try:
        async with asyncio.timeout(PATIENCE):
            return await _read(receive, most, too_large)
    except TimeoutError:
        raise Refused(too_slow()) from None


async def _read(receive: Receive, most: int, too_large: Problem) -> bytes:
    message = await _part(receive)
    body = bytes(message.get("body", b""))
    size = len(body)
    if not message.get("more_body") and size <= most:
        return body  # nearly always: all of it is there
    parts = [body]
    while message.get("more_body"):
        message = await _part(receive)
        part = message.get("body", b"")
        size += len(part)
        if size <= most:
            parts.append(part)
        elif size > most + DRAINED:
            raise Refused(_hanging_up(too_large))
    if size > most:
        raise Refused(too_large)
    return b"".join(parts)


async def beginning(receive: Receive, kept: int, most: int) -> tuple[bytes, bool]:
    """The first `kept` bytes of a body; the rest is read and dropped. False: there was more than `most`, and what is
    left of it was not read. Raises Refused (too slow) and ClientGone."""
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(PATIENCE):
            while more and size <= most:
                message = await _part(receive)
                part, more = message.get("body", b""), bool(message.get("more_body"))
                if size < kept:
                    parts.append(bytes(part[: kept - size]))
                size += len(part)
    except TimeoutError:
        raise Refused(too_slow()) from None
    return b"".join(parts), not more


async def _part(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _hanging_up(problem: Problem) -> Problem:
    return Problem(problem.status, problem.detail, problem.errors, {**problem.headers, "Connection": "close"})
