"""Plugins that held up everything, written down for `lastseen doctor`: the log is read by few."""

from __future__ import annotations

import contextlib
from datetime import datetime

import msgspec

from lastseen.clock import Clock
from lastseen.notifiers.contained import take_blockers
from lastseen.protocols import Notes, Store


class Blocked(msgspec.Struct, frozen=True):
    """When a channel's notifier last held the event loop for too long, and for how many seconds."""

    at: datetime
    seconds: float


def _note(channel: str) -> str:
    return f"blocks:{channel}"


async def keep(store: Store, clock: Clock) -> None:
    """Those that did since this was asked before."""
    if isinstance(store, Notes):
        for channel, seconds in take_blockers().items():
            text = msgspec.json.encode(Blocked(clock.now(), round(seconds, 1))).decode()
            await store.keep_note(_note(channel), text)


async def blocked(store: Notes, channel: str) -> Blocked | None:
    """What is written down of the channel of this name."""
    text = await store.note(_note(channel))
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.json.decode(text or "null", type=Blocked | None)
    return None
