"""Lives of those who follow: machines flip on two nodes, transactions commit late, clients are cut off and go on."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from lastseen.model import Case, Status, Verdict
from lastseen.model.seen import Seen
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.monitor.live import Live
from lastseen.testing.script import at, move
from lastseen.testing.suite_base import online

Frame = tuple[str, dict[str, Any]]


def flip(case: Case) -> Verdict:
    """Whoever is looked at changes, and is looked at again."""
    return move(case, Status.OFFLINE if case.standing.liveness.status is Status.ONLINE else Status.ONLINE, case.now)


def frame(position: str, event: dict[str, Any], machine: dict[str, Any] | None) -> Frame:
    return position, event


@asynccontextmanager
async def lives_on(store: Any) -> AsyncIterator[Live[Frame]]:
    monitor = HeartbeatMonitor(store)
    live = Live(monitor, frame)
    async with monitor.opened(), live.running():
        yield live


class Client:
    """Follows one node or another. After an event it may be cut off, whatever else had come, and goes on elsewhere."""

    def __init__(self, nodes: Sequence[Live[Frame]], seed: int, cuts: float) -> None:
        self._nodes, self._cuts, self._random = nodes, cuts, random.Random(seed)
        self.had: dict[int, dict[str, Any]] = {}
        self.position = "0"
        self.lives = 0

    async def run(self) -> None:
        while True:
            live = self._random.choice(self._nodes)
            follower = live.follow(Seen.read(self.position))
            self.lives += 1
            try:
                while await self._read(follower):
                    pass
            finally:
                live.leave(follower)

    async def _read(self, follower: Any) -> bool:
        for tiding in await follower.next():
            self.position, event = tiding.frame
            assert event["id"] not in self.had, "told twice"
            assert event["id"] in Seen.read(self.position)
            self.had[event["id"]] = event
            if self._random.random() < self._cuts:
                return False
        if self._random.random() < self._cuts:
            await asyncio.sleep(0)  # others go first
        return True

    def check(self, everything: Sequence[dict[str, Any]]) -> None:
        """Each event once, and those of a machine in their order, without a gap."""
        assert self.had.keys() == {event["id"] for event in everything}
        told = defaultdict(list)
        for event in self.had.values():
            told[event["machine"]].append(event["seq"])
        for seqs in told.values():
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


class Fleet:
    def __init__(self, nodes: Sequence[Any], seed: int, machines: int) -> None:
        self.nodes, self._random, self._now = nodes, random.Random(seed), 200.0
        self._slugs = [f"m{number:02}" for number in range(machines)]

    async def begin(self) -> None:
        await online(self.nodes[0], *self._slugs)

    def settling(self, store: Any) -> Any:
        """Some machines flip on this node."""
        self._now += 1
        return store.settle(flip, at(self._now), self._random.randint(1, len(self._slugs) // 2))

    async def step(self) -> None:
        """On both nodes at once, or on one."""
        several = self._random.sample(self.nodes, self._random.randint(1, len(self.nodes)))
        await asyncio.gather(*(self.settling(store) for store in several))

    async def everything(self) -> list[dict[str, Any]]:
        return list(await self.nodes[0].events(limit=100_000))
