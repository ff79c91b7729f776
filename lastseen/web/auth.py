"""Who asks: a machine with its own key, or a program with an API key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from starlette.requests import Request

from lastseen import counters
from lastseen.clock import Clock
from lastseen.problems import DISABLED, NO_KEY, WRONG_KEY, Problem


class Holder(Protocol):
    """What a valid key stands for."""

    @property
    def scope(self) -> str: ...

    @property
    def machine_id(self) -> int | None: ...

    @property
    def enabled(self) -> bool: ...


FindKey = Callable[[bytes, datetime], Awaitable[Holder | None]]


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


async def holder_of(request: Request, find_key: FindKey, clock: Clock) -> Holder:
    """The holder of the request's key. Raises Refused: 401 without a valid one, 403 for a disabled machine."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    said = credentials if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    key = said.strip().encode("latin-1")  # as the bytes came
    if not key:
        counters.KEY_REFUSALS.inc("missing")
        raise Refused(NO_KEY)
    holder = await find_key(key, clock.now())
    if holder is None:
        counters.KEY_REFUSALS.inc("wrong")
        raise Refused(WRONG_KEY)
    if not holder.enabled:
        counters.KEY_REFUSALS.inc("disabled")
        raise Refused(DISABLED)
    return holder


def may_see(holder: Holder, machine_id: int | None) -> None:
    """An API key sees every machine, a machine's key itself. Raises Refused (403) without telling what there is."""
    if holder.scope == "api" or (machine_id is not None and holder.machine_id == machine_id):
        return
    counters.KEY_REFUSALS.inc("scope")
    raise Refused(Problem(403, "a machine's key shows that machine only; an lsa_ key shows all of them"))
