"""This process among those on the same store: it shows that it is there, and goes by the clock that all share."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import timedelta

from lastseen.clock import PROMPT, Clock, SystemClock
from lastseen.model import Node
from lastseen.protocols import Nodes, Store, Timed
from lastseen.release import version

SHOWN_EVERY = 10.0
"""Seconds between two signs that this process is there."""

AWAY_AFTER = 30.0
"""Seconds without one after which it is shown as gone."""

IN_COMPANY = timedelta(seconds=1)
"""How long after a deadline silence is decided on where other processes listen too: one of them may have heard the
machine in time, and be about to write that down."""

QUESTIONS = 3
"""Questions for the time in a row, until an answer is quick enough to be exact."""


class Membership:
    """A line of `lastseen nodes`."""

    def __init__(self, store: Store, clock: Clock, node: str, settings: Mapping[str, str]) -> None:
        self._store, self._clock = store, clock
        self._nodes = store if isinstance(store, Nodes) and not clock.virtual else None
        self._node = Node(node, socket.gethostname(), version(), clock.now(), clock.now(), settings=settings)
        self._shown = float("-inf")
        self.company = False

    @property
    def patience(self) -> timedelta:
        """How far behind the present decisions are made."""
        return IN_COMPANY if self.company else timedelta(0)

    @property
    def doubtful(self) -> bool:
        """Our clock may be behind the one that is shared: it is to be looked at, at once."""
        return isinstance(self._clock, SystemClock) and self._clock.jumped

    async def keep(self) -> None:
        """Often: write a sign when it is time, and look at the shared clock. Raises StoreUnavailable."""
        await follow(self._store, self._clock)
        if self._nodes is not None and self._clock.monotonic() - self._shown >= SHOWN_EVERY:
            now = self._clock.now()
            await self._nodes.alive(self._node, now)
            others = [node for node in await self._nodes.nodes(now) if node.id != self._node.id]
            self.company = any((now - node.alive_at).total_seconds() < AWAY_AFTER for node in others)
            self._shown = self._clock.monotonic()

    async def leave(self) -> None:
        if self._nodes is not None:
            await self._nodes.gone(self._node.id, self._clock.now())


async def follow(store: Store, clock: Clock) -> None:
    """Have the clock go by that of the store, if it has one. It is asked again at once while the answers are slow: the
    first one begins the time in which heartbeats are written down. Raises StoreUnavailable."""
    if not isinstance(store, Timed) or not isinstance(clock, SystemClock):
        return
    for _ in range(QUESTIONS):
        asked = clock.monotonic()
        theirs = await store.time()
        answered = clock.monotonic()
        if theirs is not None:
            clock.follow(theirs, asked, answered)
        if answered - asked <= PROMPT:
            return
