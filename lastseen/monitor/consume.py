"""Heartbeats from a stream: many at once, so that they share commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TypeVar

from lastseen.errors import InvalidInput, LastseenError, UnknownMachine
from lastseen.log import get_logger
from lastseen.model import MachineRef
from lastseen.report import Report, parse_report

T = TypeVar("T")

IN_FLIGHT = 2000
"""Messages that may wait for their commit before the next is taken from the stream."""

Raw = object
Take = Callable[[MachineRef, Report], Awaitable[None]]

_log = get_logger()


async def consume(messages: AsyncIterable[T], parse: Callable[[T], tuple[MachineRef, Raw] | None], take: Take) -> None:
    """Give every message to `take`. What cannot be read or stored is logged and stops nothing."""
    waiting: set[asyncio.Task[None]] = set()
    try:
        async for message in messages:
            waiting.add(asyncio.create_task(_one(message, parse, take)))
            if len(waiting) >= IN_FLIGHT:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if waiting:
            await asyncio.wait(waiting)  # what was taken from the stream is stored, also when it is cancelled


async def _one(message: T, parse: Callable[[T], tuple[MachineRef, Raw] | None], take: Take) -> None:
    try:
        said = parse(message)
        if said is not None:
            await take(said[0], parse_report(said[1]))  # type: ignore[arg-type]
    except (InvalidInput, UnknownMachine) as error:
        _log.warning("message_refused", error=str(error))
    except LastseenError as error:
        _log.error("message_lost", error=str(error))
    except Exception as error:  # noqa: BLE001  (the program's own `parse`: one message it chokes on stops no other)
        _log.warning("message_refused", error=f"{type(error).__name__} while it was read")
