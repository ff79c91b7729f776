"""The stages of the simulation: processors that take turns, recorders, lanes. Time is virtual."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable

QUANTUM = 0.01
"""Seconds that one piece of work has a processor before the next has its turn."""

SLICE = 10.0
"""Seconds of one row of what is reported over time."""

LARGEST_BATCH, IN_FLIGHT = 5_000, 3
"""As the recorder has them."""

Then = Callable[[], None]


class Events:
    """What happens, in order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Then]] = []
        self._numbers = itertools.count()

    def at(self, moment: float, then: Then) -> None:
        heapq.heappush(self._heap, (max(moment, self.now), next(self._numbers), then))

    def run(self, until: float) -> None:
        while self._heap and self._heap[0][0] <= until:
            self.now, _, then = heapq.heappop(self._heap)
            then()


class Processor:
    """Some cores that share their work fairly, a quantum each."""

    def __init__(self, events: Events, cores: int) -> None:
        self._events, self.cores = events, cores
        self._free, self._waiting = cores, deque[tuple[float, Then]]()
        self.used: Counter[int] = Counter()
        """Seconds used by slice of time."""

    def work(self, seconds: float, then: Then) -> None:
        self._waiting.append((seconds, then))
        self._begin()

    def _begin(self) -> None:
        while self._free and self._waiting:
            seconds, then = self._waiting.popleft()
            self._free -= 1
            turn = min(seconds, QUANTUM)
            self.used[int(self._events.now // SLICE)] += turn  # type: ignore[assignment]
            self._events.at(self._events.now + turn, lambda left=seconds - turn, then=then: self._turn(left, then))

    def _turn(self, left: float, then: Then) -> None:
        self._free += 1
        if left > 1e-9:
            self._waiting.append((left, then))
        else:
            then()
        self._begin()

    def busy(self, number: int) -> float:
        """The part of a slice in which its cores worked."""
        return self.used[number] / SLICE / self.cores


class Recorder:
    """Heartbeats of one node, stored in batches: the node's processor, the server's, and the disk."""

    def __init__(self, events: Events, node: Processor, server: Processor, costs: tuple[float, float, float]) -> None:
        self._events, self._node, self._server = events, node, server
        self._node_cost, self._server_cost, self._fsync = costs
        self._waiting: deque[tuple[float, int]] = deque()
        self._writing: dict[int, float] = {}
        self._numbers = itertools.count()
        self.waiting = self.stored = 0
        self.longest = 0.0
        """Seconds that a heartbeat has waited to be stored."""

    def heard(self, count: int) -> None:
        if count:
            self._waiting.append((self._events.now, count))
            self.waiting += count
            self._begin()

    @property
    def horizon(self) -> float:
        """Everything that was heard before this is stored."""
        oldest = [self._waiting[0][0]] if self._waiting else []
        return min([*oldest, *self._writing.values()], default=self._events.now)

    def _begin(self) -> None:
        while self._waiting and len(self._writing) < IN_FLIGHT:
            since, count = self._waiting[0][0], 0
            while self._waiting and count < LARGEST_BATCH:
                moment, some = self._waiting.popleft()
                taken = min(some, LARGEST_BATCH - count)
                count += taken
                if taken < some:
                    self._waiting.appendleft((moment, some - taken))
            number = next(self._numbers)
            self._writing[number] = since
            self.waiting -= count
            self._node.work(count * self._node_cost, lambda n=number, c=count: self._write(n, c))

    def _write(self, number: int, count: int) -> None:
        stored = lambda: self._stored(number, count)  # noqa: E731
        self._server.work(count * self._server_cost, lambda: self._events.at(self._events.now + self._fsync, stored))

    def _stored(self, number: int, count: int) -> None:
        self.stored += count
        self.longest = max(self.longest, self._events.now - self._writing.pop(number))
        self._begin()


class Lanes:
    """Sends of one node: some at once, each for a while on its processor and then waiting for an answer."""

    def __init__(self, events: Events, node: Processor, cost: float, answer: float, at_once: int = 16) -> None:
        self._events, self._node, self._cost, self._answer = events, node, cost, answer
        self._free = at_once
        self._queue: deque[tuple[float, int]] = deque()
        self.waiting = self.sent = 0
        self.longest = 0.0

    def send(self, count: int) -> None:
        if count:
            self._queue.append((self._events.now, count))
            self.waiting += count
            self._begin()

    def _begin(self) -> None:
        while self._free and self._queue:
            since, count = self._queue.popleft()
            if count > 1:
                self._queue.appendleft((since, count - 1))
            self._free -= 1
            self._node.work(self._cost, lambda s=since: self._answered(s))

    def _answered(self, since: float) -> None:
        self._events.at(self._events.now + self._answer, lambda: self._done(since))

    def _done(self, since: float) -> None:
        self._free += 1
        self.waiting -= 1
        self.sent += 1
        self.longest = max(self.longest, self._events.now - since)
        self._begin()
