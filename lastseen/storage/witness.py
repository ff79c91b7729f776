"""What is written with the next change of a task, in the transaction of that change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from lastseen.model.people import Deed, Tell, Witnessed

T = TypeVar("T")
Keep = Callable[[Any, Sequence[Deed]], None]
"""Writes deeds down on this connection."""


@dataclass(frozen=True, slots=True)
class _Span:
    """`task`: what it starts meanwhile has its context too, and none of its deeds."""

    task: asyncio.Task[Any] | None
    witnessed: Witnessed


_span: ContextVar[_Span | None] = ContextVar("lastseen_witness", default=None)


@contextmanager
def witness(tell: Tell) -> Iterator[Witnessed]:
    """`Witness.witness`."""
    made = Witnessed(tell)
    token = _span.set(_Span(asyncio.current_task(), made))
    try:
        yield made
    finally:
        _span.reset(token)


def due() -> Witnessed | None:
    """Whose deeds go with what this task changes now."""
    span = _span.get()
    if span is None or span.witnessed.deeds is not None or span.task is not asyncio.current_task():
        return None
    return span.witnessed


async def told(
    work: Callable[[Any], T],
    run: Callable[[Callable[[Any], Any]], Awaitable[Any]],
    keep: Keep,
) -> T:
    """`run` this work, with the deeds that are due. However often it is done until it is committed: what was not, is
    told with it."""
    span = due()
    if span is None:
        result: T = await run(work)
        return result

    def whole(connection: Any) -> tuple[T, Sequence[Deed]]:
        done = work(connection)
        deeds = span.tell(done)
        keep(connection, deeds)
        return done, deeds

    result, span.deeds = await run(whole)
    return result


def forget(_: Any, __: Sequence[Deed]) -> None:
    """A `Keep` that keeps nothing."""
