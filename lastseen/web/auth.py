"""Whose key a request brings: a machine's, or a program's. Who asks by it, or without one: `lastseen.web.who`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from starlette.requests import Request

from lastseen.clock import Clock
from lastseen.ingest.asgi import Refused
from lastseen.ingest.gate import key_of
from lastseen.problems import DISABLED, NO_KEY, WRONG_KEY


class Holder(Protocol):
    """What a valid key stands for."""

    @property
    def scope(self) -> str: ...

    @property
    def machine_id(self) -> int | None: ...

    @property
    def enabled(self) -> bool: ...


FindKey = Callable[[bytes, datetime], Awaitable[Holder | None]]


async def holder_of(request: Request, find_key: FindKey, clock: Clock) -> Holder:
    """The holder of the request's key. Raises Refused: 401 without a valid one, 403 for a disabled machine."""
    key = key_of(dict(request.scope["headers"]))
    if not key:
        raise Refused(NO_KEY)
    holder = await find_key(key, clock.now())
    if holder is None:
        raise Refused(WRONG_KEY)
    if not holder.enabled:
        raise Refused(DISABLED)
    return holder
