"""Does the watcher watch? Pure: what is known of a monitor in; what is wrong, and since when, out.

One answer for all who ask: `/readyz`, the proof of life, systemd's watchdog. Three things have to hold: the sweep is on
time, the outbox moves, the store takes writes and answers. What only far ends are to blame for is not counted: a
channel that fails, or that has more to take than it can, is no fault of the watcher's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LATE = timedelta(seconds=15)
"""What is later than this is not slow any more: it stands still."""

PATIENCE = 2.0
"""Seconds that the store may take to answer a question."""


class Part(StrEnum):
    """What may be wrong. `heartbeats`: they are not accepted, because the server starts or stops."""

    HEARTBEATS = "heartbeats"
    MONITOR = "monitor"
    OUTBOX = "outbox"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One part that does not do what it is there for, why, and since when."""

    part: Part
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of a monitor, in store time.

    `looked_at`: when it last finished looking at everything due, which it does every `look_every` (None: only when
    something is due). `planned`: when its next look is due. `written_at`: when the newest write that got through was
    begun; there is one every `write_every` (None: only when there is something to write). `failing_since`: since when
    writes fail. `unanswered`: why the store does not answer, "" when it does. `still_since`: since when something in
    the outbox should have been sent, while nobody works at it.
    """

    now: datetime
    running: bool
    looked_at: datetime
    look_every: timedelta | None
    planned: datetime | None
    written_at: datetime
    write_every: timedelta | None
    failing_since: datetime | None = None
    unanswered: str = ""
    still_since: datetime | None = None


def health(signs: Signs) -> tuple[Trouble, ...]:
    """Everything that is wrong; empty: it watches."""
    if signs.running:
        return (*_sweep(signs), *_outbox(signs), *_store(signs))
    return (Trouble(Part.MONITOR, "it does not run", signs.looked_at), *_answers(signs))  # and so it writes nothing


def _sweep(signs: Signs) -> Iterator[Trouble]:
    """It looks as often as it should, and at every deadline."""
    moments = [signs.planned] if signs.planned is not None else []
    if signs.look_every is not None:
        moments.append(signs.looked_at + signs.look_every)
    since = min(moments, default=signs.now)
    if signs.now - since > LATE:
        yield Trouble(Part.MONITOR, "the sweep is late", since)


def _outbox(signs: Signs) -> Iterator[Trouble]:
    if signs.still_since is not None:
        yield Trouble(Part.OUTBOX, "what is due is not sent", signs.still_since)


def _store(signs: Signs) -> Iterator[Trouble]:
    """It takes writes, which it is given all the time, and answers questions."""
    if signs.failing_since is not None:
        yield Trouble(Part.STORE, "it cannot be written", signs.failing_since)
    elif signs.write_every is not None and signs.now - signs.written_at - signs.write_every > LATE:
        yield Trouble(Part.STORE, "a write does not end", signs.written_at + signs.write_every)
    else:
        yield from _answers(signs)


def _answers(signs: Signs) -> Iterator[Trouble]:
    if signs.unanswered:
        yield Trouble(Part.STORE, signs.unanswered, signs.now)
