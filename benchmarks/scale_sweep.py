"""The sweep of the simulation: who is due, in which order, and what the real `decide` says of them."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from benchmarks.scale_costs import Costs
from benchmarks.scale_stages import Events, Processor
from benchmarks.scale_world import World
from lastseen.model import (
    BlindPeriod,
    BlindReason,
    Case,
    Channel,
    EventType,
    Kind,
    Liveness,
    Machine,
    NotificationState,
    Outage,
    Standing,
    Status,
    Verdict,
    replace,
)
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import decide
from lastseen.monitor.loops import BATCH

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = EPOCH - timedelta(days=30)
TICK = 0.05
"""Seconds between two looks at what has become due; so much of each delay is the simulation's own."""

KIND = Kind()
CHANNELS = (Channel("chat", "chat", "telegram", 1), Channel("hook", "hook", "webhook", 2))
TOLD = frozenset(channel.uid for channel in CHANNELS)


def moment(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def seconds(at: datetime) -> float:
    return (at - EPOCH).total_seconds()


class Table:
    """What the database knows: when each machine is looked at, and the rows of those that are offline. The rows of the
    others follow from the world, as far as it is recorded."""

    def __init__(self, world: World, rules: Rules) -> None:
        self.world, self.rules = world, rules
        plan = world.plan
        self.check_at = array("d", bytes(8 * plan.machines))
        self.offline: dict[int, tuple[Liveness, Outage]] = {}
        self.found: dict[int, list[float]] = {}  # when it was found silent
        self.back: dict[int, list[float]] = {}
        self.blind: tuple[BlindPeriod, ...] = ()
        self.ready: deque[int] = deque()
        self.horizons: list[Callable[[], float]] = []
        """By node: everything that it heard before this is stored."""
        self._buckets: dict[int, array[int]] = {}
        turns = int(plan.threshold // plan.interval)
        for machine in range(plan.machines):
            self.look(machine, world.phase(machine) + plan.interval * (machine * 7919 % turns))

    def look(self, machine: int, at: float) -> None:
        self.check_at[machine] = at
        number = int(at / TICK) + 1
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = array("I")
        bucket.append(machine)

    def due(self, number: int) -> None:
        """Make those ready that have become due in a tick."""
        bucket = self._buckets.pop(number, None)
        if bucket is not None:
            self.ready.extend(sorted(bucket, key=self.check_at.__getitem__))

    def link(self, ended: bool) -> None:
        lost, back = self.world.plan.link
        self.blind = (BlindPeriod(1, moment(lost), moment(back) if ended else None, BlindReason.LINK),)

    def case(self, machine: int, now: float) -> Case | None:
        """None: what made it due is not stored yet."""
        row, horizon = self.offline.get(machine), self.horizons[self.world.node(machine)]()
        if row is not None:
            if horizon < self.check_at[machine]:
                return None
            liveness, outage = row
            at = moment(self.check_at[machine])
            liveness = replace(liveness, last_seen=at, check_at=at, back_at=at)
            return Case(_standing(machine, liveness, outage), moment(now), (), None, self.blind, CHANNELS, TOLD)
        bit = 2 if self.world.on_broker(machine) else 1
        heard = moment(self.world.last_beat(machine, horizon))
        due = moment(self.check_at[machine])
        liveness = Liveness(
            Status.ONLINE, LONG_AGO, LONG_AGO, last_seen=heard, check_at=due, heard=bit, heard_before=bit, seq=2
        )
        return Case(_standing(machine, liveness, None), moment(now), (), None, self.blind, CHANNELS)

    def write(self, machine: int, verdict: Verdict, now: float) -> int:
        """Store what was decided. How many alerts are to be told on each channel."""
        row, told = verdict.liveness, 0
        for event in verdict.events:
            if event.type == EventType.OFFLINE:
                self.found.setdefault(machine, []).append(now)
                self.offline[machine] = (row, verdict.outages[-1])
            elif event.type == EventType.ONLINE:
                self.back.setdefault(machine, []).append(now)
                del self.offline[machine]
            told += any(
                one.event == event.uid and one.state is NotificationState.PENDING for one in verdict.notifications
            )
        returns = self.world.returns(machine)
        if row.check_at is not None:
            self.look(machine, max(seconds(row.check_at), now))
        elif returns is not None:
            self.look(machine, max(returns, now))  # its next heartbeat has it looked at
        return told


def _standing(machine: int, liveness: Liveness, outage: Outage | None) -> Standing:
    return Standing(Machine(machine, f"{machine:032x}", f"m{machine}", f"m{machine}"), KIND, liveness, outage)


class Sweeper:
    """The sweep of one node: a batch at a time, as long as anything is due."""

    def __init__(
        self,
        events: Events,
        table: Table,
        node: Processor,
        server: Processor,
        costs: Costs,
        horizon: Callable[[], float],
    ) -> None:
        self._events, self._table, self._node, self._server, self._costs = events, table, node, server, costs
        self._horizon = horizon
        self._busy = False
        self.looks = self.settles = 0
        self.tell: Callable[[int], None] = lambda _: None

    def wake(self) -> None:
        if self._busy or not self._table.ready:
            return
        # what this node has received and not stored yet is not overtaken; of the others it knows only what is stored
        decided = self._decided(min(self._events.now, self._horizon()))
        if not decided:
            return
        self._busy = True
        alerts = sum(bool(verdict.events) for _, verdict in decided)
        plain, costs = len(decided) - alerts, self._costs
        mine = costs.settle_node + plain * costs.look_node + alerts * costs.alert_node
        its = costs.settle_server + plain * costs.look_server + alerts * costs.alert_server
        commit = lambda: self._events.at(self._events.now + costs.fsync, lambda: self._commit(decided))  # noqa: E731
        self._node.work(mine, lambda: self._server.work(its, commit))

    def _decided(self, now: float) -> list[tuple[int, Verdict]]:
        table, decided, later = self._table, [], []
        while table.ready and len(decided) < BATCH and table.check_at[table.ready[0]] <= now:
            machine = table.ready.popleft()
            case = table.case(machine, now)
            if case is None:
                later.append(machine)
            else:
                decided.append((machine, decide(case, table.rules)))
        table.ready.extendleft(reversed(later))
        self.looks += len(decided)
        self.settles += bool(decided)
        return decided

    def _commit(self, decided: list[tuple[int, Verdict]]) -> None:
        self._busy = False
        self.tell(sum(self._table.write(machine, verdict, self._events.now) for machine, verdict in decided))
        self.wake()
