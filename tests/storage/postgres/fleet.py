"""A fleet on several nodes at full speed: everything that a store does, at once, by the real `decide`.

Time is counted in what was done, so a slow computer does the same as a fast one. What the far ends were told is written
down here and not by the code under test.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import text

from lastseen.errors import NotFound, StoreUnavailable, UnknownMachine
from lastseen.model import (
    Acknowledge,
    Attempt,
    Beat,
    Cancel,
    Delivered,
    Disable,
    Enable,
    Forget,
    Hold,
    Kind,
    Lease,
    Matcher,
    Order,
    Outcome,
    Pause,
    Rejected,
    Resume,
    Retry,
    Said,
    Scope,
    Send,
    Sent,
    Silence,
    Watch,
    replace,
)
from lastseen.model.wishes import HELD
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import decide
from lastseen.notifiers.retry import SCHEDULES, follow
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import T0
from tests.storage.postgres.stage import Stage

LANES = ("ops", "chat", "pager")
THRESHOLD = timedelta(seconds=60)
DECIDE = partial(
    decide, rules=Rules(offline_after=THRESHOLD, flapping_changes=6, flapping_window=timedelta(minutes=10))
)
SAYINGS = [Said.ALIVE] * 12 + [Said.OK, Said.OK, Said.ERROR, Said.GOODBYE, Said.START, Said.PRESENT, Said.NOTE]
OUTCOMES: list[Outcome] = [
    *[Delivered("m")] * 12,
    Retry("503"),
    Retry("409", Scope.NOTIFICATION),
    Rejected("422", Scope.NOTIFICATION),
]
_OLD = (
    "DELETE FROM delivery_attempt_items WHERE attempt_id IN (SELECT id FROM delivery_attempts WHERE outcome = 'lost')",
    "DELETE FROM delivery_attempts WHERE outcome = 'lost' AND NOT EXISTS "
    "(SELECT FROM delivery_attempt_items WHERE attempt_id = delivery_attempts.id)",
    "DELETE FROM reports WHERE NOT pending AND id < (SELECT max(id) FROM reports) - 200",
)


class Fleet:
    """`forgiving`: connections are cut meanwhile, and a store may say that it cannot be used."""

    def __init__(self, stage: Stage, seed: int, machines: int, forgiving: bool = False) -> None:
        self.stage, self.seed, self.forgiving = stage, seed, forgiving
        self.names = [f"m{number:03}" for number in range(machines)]
        self.done, self.goal = 0, 0
        self.talking = set(self.names)
        self.kept: Counter[str] = Counter()
        self.doubts = 0
        self.sent: list[str] = []

    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.done / 2)

    async def begin(self) -> None:
        one = self.stage.nodes[0]
        await one.default_threshold(THRESHOLD, self.now())
        for name in LANES:
            await one.code_channel(name, name, self.now())
        for name in self.names:
            await one.order(name, Watch({"group": f"g{name[-1]}"}), DECIDE, self.now())

    async def run(self, operations: int) -> None:
        """That many, spread over all nodes."""
        self.goal = self.done + operations
        numbers = itertools.count(self.seed * 1000)
        async with asyncio.TaskGroup() as group:
            for store in self.stage.nodes:
                owner = f"node-{self.stage.nodes.index(store)}"
                for doing in (self.record, self.record, self.settle, self.change, *(self.tell,) * len(LANES)):
                    group.create_task(self._go_on(partial(doing, store, owner, random.Random(next(numbers)))))

    async def _go_on(self, doing: Callable[[], Awaitable[None]]) -> None:
        while self.done < self.goal:
            try:
                await doing()
            except StoreUnavailable:
                if not self.forgiving:
                    raise
                self.doubts += 1
            self.done += 1

    # -- what is done

    async def record(self, store: SqlStore, _: str, chance: random.Random) -> None:
        if chance.random() < 0.05:
            self.talking = set(chance.sample(self.names, len(self.names) * chance.choice([5, 9]) // 10))
        who = chance.sample(sorted(self.talking), min(len(self.talking), chance.choice([1, 5, 40])))
        now = self.now()
        beats = [
            Beat(
                name,
                now - timedelta(seconds=chance.choice([0, 0, 0, 1, 5])),
                chance.choice(SAYINGS),
                body=chance.choice([None, None, '{"message":"x"}']),
                next_in=chance.choice([None, None, None, 30.0]),
            )
            for name in who
        ]
        await store.record(beats, now)

    async def settle(self, store: SqlStore, _: str, chance: random.Random) -> None:
        await store.settle(DECIDE, self.now(), chance.choice([3, 50, 500]))

    async def change(self, store: SqlStore, owner: str, chance: random.Random) -> None:
        """What people do, seldom, and what a node does of itself."""
        now, name = self.now(), chance.choice(self.names)
        what = chance.choice(["order"] * 4 + ["threshold", "switch", "silence", "mark", "tidy", "prune"])
        match what:
            case "order":
                orders: list[Order] = [
                    *(Pause(), Resume(), Resume(), Acknowledge("eva"), Disable(), Enable(), Enable(), Forget()),
                    *[Watch({"offline_after": chance.choice([None, THRESHOLD / 2, THRESHOLD * 2])})] * 3,
                ]
                with suppress(UnknownMachine):
                    await store.order(name, chance.choice(orders), DECIDE, now)
            case "threshold":
                after = THRESHOLD * chance.choice([0.5, 1, 2])
                await store.set_kind(Kind("default", chance.choice([None, after])), now)
                await store.default_threshold(after, now)
            case "switch":
                uid = next(channel.uid for channel in await store.channels() if channel.name == "pager")
                await store.switch_channel(uid, chance.random() < 0.7, None, now)
            case "silence":
                made = await store.add_silence(Silence("w", now, now + THRESHOLD, Matcher(), "eva"), now)
                with suppress(NotFound):
                    await store.end_silence(made.id, now)
            case "mark":
                await store.mark(0, owner, now)
            case "tidy":
                await store.tidy(now)
            case "prune":
                await store.database.write(lambda c: [c.execute(text(statement)) for statement in _OLD])

    async def tell(self, store: SqlStore, owner: str, chance: random.Random) -> None:
        """Whoever gets a lane takes what is due on it; some let the lease run out before they say what came of it."""
        name, now = chance.choice(LANES), self.now()
        lease = await store.lease(name, owner, timedelta(seconds=chance.choice([0, 10, 60])), now)
        if lease is None:
            return
        uids = frozenset(channel.uid for channel in await store.channels() if channel.lane == name)
        lane = replace(lease, channels=uids)
        for attempt in await store.take(lane, partial(self._admit, chance), self.now(), chance.choice([1, 10, 100])):
            if chance.random() < 0.03:
                continue  # it dies before it says anything
            if chance.random() < 0.05:
                await asyncio.sleep(0)
            await self._say(store, lane, attempt, chance.choice(OUTCOMES))
        await store.release(lane, self.now())

    async def _say(self, store: SqlStore, lane: Lease, attempt: Attempt, outcome: Outcome) -> None:
        self.sent += [delivery.notification.uid for delivery in attempt.deliveries]
        if await store.finish(lane, attempt, outcome, _plan, self.now()) and isinstance(outcome, Delivered):
            self.kept.update(delivery.notification.uid for delivery in attempt.deliveries)

    def _admit(self, chance: random.Random, *given: Any) -> Send | Hold | Cancel:
        dice = chance.random()
        if dice < 0.1:
            return Hold(self.now() + timedelta(seconds=20), f"{HELD}silence")
        return Cancel("not wished") if dice < 0.13 else Send(chance.choice([1, 10]))

    # -- the end

    async def come_to_rest(self, rounds: int = 200) -> None:
        """Everybody is heard, everything is decided, everything is told."""
        one = self.stage.nodes[0]
        self.forgiving = False
        for channel in await one.channels():
            await one.switch_channel(channel.uid, True, None, self.now())
        for name in self.names:
            await one.order(name, Watch(), DECIDE, self.now())
            for order in (Enable(), Resume()):
                await one.order(name, order, DECIDE, self.now())
        await one.record([Beat(name, self.now(), Said.OK) for name in self.names], self.now())
        while await one.settle(DECIDE, self.now()):
            pass
        moments = (self.now() + timedelta(minutes=10 * number) for number in range(rounds))
        for now in moments:
            if not await self._tell_all(one, now):
                return
        raise AssertionError("there is always more to tell")

    async def _tell_all(self, store: SqlStore, now: datetime) -> bool:
        for name in LANES:
            lease = await store.lease(name, "node-0", timedelta(days=1), now + timedelta(days=1))
            assert lease is not None, name
            lane = replace(lease, channels=frozenset(c.uid for c in await store.channels() if c.lane == name))
            for attempt in await store.take(lane, lambda *_: Send(50), now, 1000):
                await self._say(store, lane, attempt, Delivered("m"))
        return bool(self.stage.rows("SELECT FROM notifications WHERE finished_at IS NULL LIMIT 1"))

    def statuses(self, of: Collection[str]) -> dict[str, str]:
        query = "SELECT slug, status FROM liveness JOIN machines ON id = machine_id WHERE slug = ANY(%s)"
        return dict(self.stage.rows(query, list(of)))


def _plan(sent: Sent) -> Any:
    return follow(sent, SCHEDULES["chat"], 0.0)
