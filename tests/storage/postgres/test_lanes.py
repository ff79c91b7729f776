"""Two nodes at one channel: a lane is one node's at a time, and what the other still says of it does not count."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from lastseen.model import Attempt, Beat, Cancel, Delivered, Hold, Lease, Matcher, Send, Silence, Status, replace
from lastseen.model.wishes import HELD
from lastseen.protocols import Admit
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import admit_all, again, at, by_rule, delivered
from lastseen.testing.suite_base import offline
from tests.storage.postgres.stage import Stage

MINUTE = timedelta(minutes=1)
DONE = Delivered("m-1")


async def lane_of(store: SqlStore, name: str, node: str, seconds: float) -> Lease | None:
    """The lane of the channel `name`."""
    lease = await store.lease(name, node, MINUTE, at(seconds))
    uids = frozenset(channel.uid for channel in await store.channels() if channel.lane == name)
    return None if lease is None else replace(lease, channels=uids)


async def its_lane(store: SqlStore, name: str, node: str, seconds: float) -> Lease:
    lease = await lane_of(store, name, node, seconds)
    assert lease is not None
    return lease


async def told(stage: Stage, machines: Sequence[str], *channels: str) -> list[str]:
    """These machines are offline, which these channels are to be told."""
    store = stage.nodes[0]
    uids = [(await store.code_channel(name, name, at(0))).uid for name in channels]
    await offline(store, *machines, channels=uids)
    return uids


def states(stage: Stage) -> list[tuple[Any, ...]]:
    return stage.rows("SELECT state, lease_token FROM notifications ORDER BY id")


async def test_a_lane_whose_node_is_just_taking_is_another_s_only_after_that_and_then_all_is_its_own(
    stage: Stage,
) -> None:
    one, two = stage.nodes
    await told(stage, ["a", "b"], "ops")
    mine = await its_lane(one, "ops", "one", 200)
    pause = stage.pause()
    taking = stage.start(one.take(mine, pause.at(admit_all()), at(270), 100))
    await pause.reached()
    leasing = stage.start(its_lane(two, "ops", "two", 270))
    await stage.waits()
    pause.go()
    lost = list(await taking)
    yours = await leasing
    assert yours.token == mine.token + 1
    found = list(await two.take(yours, admit_all(), at(271), 100))
    assert uids(found) == uids(lost)
    assert states(stage) == [("sending", 2), ("sending", 2)]
    late = [await one.finish(mine, attempt, DONE, delivered, at(272)) for attempt in lost]
    assert late == [False, False], "the fence is the row's own token"
    assert [await two.finish(yours, attempt, DONE, delivered, at(273)) for attempt in found] == [True, True]
    assert stage.rows("SELECT count(*), min(attempts), max(attempts) FROM notifications") == [(2, 2, 2)]
    assert list(await one.take(mine, admit_all(), at(274), 100)) == []


def uids(attempts: Sequence[Attempt]) -> list[str]:
    return sorted(delivery.notification.uid for attempt in attempts for delivery in attempt.deliveries)


async def test_who_takes_on_a_lane_that_was_leased_meanwhile_takes_nothing(stage: Stage) -> None:
    one, two = stage.nodes
    await told(stage, ["a"], "ops")
    mine = await its_lane(one, "ops", "one", 200)
    pause, leasing = await stage.before_commit(two, "write_beside", two.lease("ops", "two", MINUTE, at(270)))
    taking = stage.start(one.take(mine, admit_all(), at(270), 100))
    await stage.waits()
    pause.go()
    assert await leasing is not None
    assert list(await taking) == []


async def test_to_ask_for_a_lane_that_another_node_works_on_keeps_nobody_waiting(stage: Stage) -> None:
    one, two = stage.nodes
    await told(stage, ["a"], "ops")
    lane = await its_lane(one, "ops", "one", 200)
    pause, taking = await stage.before_commit(one, "write_beside", one.take(lane, admit_all(), at(201), 100))
    assert await two.lease("ops", "two", MINUTE, at(201)) is None
    pause.go()
    assert len(await taking) == 1


async def test_of_two_nodes_that_want_the_same_lane_one_has_it(stage: Stage) -> None:
    one, two = stage.nodes
    pause, first = await stage.before_commit(one, "write_beside", one.lease("ops", "one", MINUTE, at(0)))
    second = stage.start(two.lease("ops", "two", MINUTE, at(0)))
    await stage.waits()
    pause.go()
    assert await first is not None
    assert await second is None


async def test_two_that_take_one_after_the_other_take_each_row_once_without_leases_too(stage: Stage) -> None:
    one, two = stage.nodes
    (ops,) = await told(stage, [f"m{number}" for number in range(8)], "ops")
    lane = Lease("ops", "suite", 1, at(1e6), frozenset([ops]))
    pause = stage.pause()
    first = stage.start(one.take(lane, pause.at(admit_all()), at(200), 3))
    await pause.reached()
    second = stage.start(two.take(lane, admit_all(), at(200), 100))
    await stage.waits()
    pause.go()
    assert (len(await first), len(await second)) == (3, 5)


async def test_two_lanes_go_at_the_same_time(stage: Stage) -> None:
    one, two = stage.nodes
    await told(stage, ["a", "b"], "ops", "chat")
    pauses = stage.pause(), stage.pause()
    lanes = await its_lane(one, "ops", "one", 200), await its_lane(two, "chat", "two", 200)
    taking = [
        stage.start(store.take(lane, pause.at(admit_all()), at(201), 100))
        for store, lane, pause in zip(stage.nodes, lanes, pauses, strict=True)
    ]
    for pause in pauses:
        await pause.reached()
    for pause in pauses:
        pause.go()
    assert [len(attempts) for attempts in await asyncio.gather(*taking)] == [2, 2]


async def test_who_takes_while_the_lane_s_last_result_is_written_waits_and_sees_it(stage: Stage) -> None:
    one, two = stage.nodes
    await told(stage, ["a", "b"], "ops")
    lane = await its_lane(one, "ops", "one", 200)
    (attempt,) = await one.take(lane, admit_all(), at(200), 1)
    pause = stage.pause()
    plan = pause.at(again(at(205), cool_until=at(230)))
    finishing = stage.start(one.finish(lane, attempt, DONE, plan, at(201)))
    await pause.reached()
    taking = stage.start(two.take(lane, admit_all(), at(202), 100))
    await stage.waits()
    pause.go()
    assert await finishing
    assert list(await taking) == [], "the channel cools down"


@pytest.mark.parametrize("gone", [False, True], ids=["switched off", "removed"])
async def test_a_result_that_comes_while_its_channel_goes_ends_its_rows(stage: Stage, gone: bool) -> None:
    one, two = stage.nodes
    (ops,) = await told(stage, ["a"], "ops")
    lane = await its_lane(one, "ops", "one", 200)
    (attempt,) = await one.take(lane, admit_all(), at(200), 1)
    going = two.remove_channel(ops, at(201)) if gone else two.switch_channel(ops, False, "noisy", at(201))
    pause, removed = await stage.before_commit(two, "write", going)
    finishing = stage.start(one.finish(lane, attempt, DONE, again(at(205)), at(202)))
    await stage.waits(on="rules")
    pause.go()
    await removed
    assert await finishing is not gone
    assert states(stage) == [("cancelled", None)]
    assert stage.rows("SELECT outcome FROM delivery_attempts") == [("delivered",)], "what was said of it is kept"


async def test_a_channel_that_is_switched_off_waits_for_a_result_and_leaves_nothing_behind(stage: Stage) -> None:
    one, two = stage.nodes
    (ops,) = await told(stage, ["a"], "ops")
    lane = await its_lane(one, "ops", "one", 200)
    (attempt,) = await one.take(lane, admit_all(), at(200), 1)
    pause = stage.pause()
    finishing = stage.start(one.finish(lane, attempt, DONE, pause.at(again(at(205))), at(201)))
    await pause.reached()
    going = stage.start(two.switch_channel(ops, False, "noisy", at(202)))
    await stage.waits(on="rules")
    pause.go()
    assert await finishing
    await going
    assert states(stage) == [("cancelled", None)]


# --- what was held for a reason that ends just then -------------------------------------------------------------------


def held(until: float, why: str = "silence") -> Admit:
    return lambda *_: Hold(at(until), f"{HELD}{why}")


async def test_the_end_of_a_silence_waits_for_who_holds_something_because_of_it(stage: Stage) -> None:
    one, two = stage.nodes
    await told(stage, ["a"], "ops")
    lane = await its_lane(one, "ops", "one", 200)
    silence = await two.add_silence(Silence("works", at(0), at(9000), Matcher(), "eva"), at(199))
    pause = stage.pause()
    taking = stage.start(one.take(lane, pause.at(held(9000)), at(200), 100))
    await pause.reached()
    ending = stage.start(two.end_silence(silence.id, at(201)))
    await stage.waits(on="rules")
    pause.go()
    assert list(await taking) == []
    await ending
    assert await two.next_due() == at(201)
    assert len(await one.take(lane, admit_all(), at(201), 100)) == 1


async def test_who_takes_while_a_silence_ends_waits_and_holds_nothing_because_of_it(stage: Stage) -> None:
    one, two = stage.nodes
    await told(stage, ["a"], "ops")
    lane = await its_lane(one, "ops", "one", 200)
    silence = await two.add_silence(Silence("works", at(0), at(9000), Matcher(), "eva"), at(199))

    class Admits:
        silences: Sequence[Silence] = ()

        def hear(self, silences: Sequence[Silence]) -> None:
            self.silences = silences

        def __call__(self, *given: Any) -> Hold | Send:
            return Hold(at(9000), f"{HELD}silence") if self.silences else Send(1)

    pause, ending = await stage.before_commit(two, "write", two.end_silence(silence.id, at(200)))
    taking = stage.start(one.take(lane, Admits(), at(201), 100))
    await stage.waits(on="rules")
    pause.go()
    await ending
    assert len(await taking) == 1


async def test_a_row_that_is_held_just_when_its_machine_comes_back_stays_due(stage: Stage) -> None:
    """What was read of the incident before it ended must not decide how long the row waits."""
    one, two = stage.nodes
    (ops,) = await told(stage, ["a", "b"], "ops")
    lane = await its_lane(one, "ops", "one", 200)
    pause = stage.pause()
    taking = stage.start(one.take(lane, pause.at(held(9000)), at(210), 100))
    await pause.reached()
    await two.record([Beat("a", at(211))], at(211))
    assert [event.type for event in await two.settle(by_rule([ops]), at(211))] == ["machine.online"]
    pause.go()
    assert list(await taking) == []
    due = "SELECT slug, due_at FROM notifications JOIN machines ON machines.id = machine_id WHERE state = 'pending'"
    found = stage.rows(f"{due} ORDER BY notifications.id")
    assert found == [("a", at(200)), ("b", at(9000)), ("a", at(211))]
    assert await one.next_due() == at(200)
    assert list(await one.take(lane, lambda *_: Cancel("it is over"), at(212), 100)) == []
    assert stage.rows("SELECT count(*) FROM notifications WHERE state = 'cancelled'") == [(2,)]


async def test_a_row_whose_machine_is_just_being_decided_on_is_not_held(stage: Stage) -> None:
    one, two = stage.nodes
    (ops,) = await told(stage, ["a", "b"], "ops")
    lane = await its_lane(one, "ops", "one", 200)
    await two.record([Beat("a", at(209))], at(209))
    pause, settling = await stage.before_commit(two, "write_beside", two.settle(by_rule([ops]), at(210)))
    assert list(await one.take(lane, held(9000), at(210), 100)) == [], "it waits for nobody"
    pause.go()
    await settling
    found = stage.rows("SELECT due_at FROM notifications WHERE state = 'pending' ORDER BY id")
    assert found == [(at(200),), (at(9000),), (at(210),)]


async def test_a_machine_of_which_a_row_is_just_being_held_is_decided_on_afterwards(stage: Stage) -> None:
    one, two = stage.nodes
    (ops,) = await told(stage, ["a"], "ops")
    lane = await its_lane(one, "ops", "one", 200)
    await two.record([Beat("a", at(209))], at(209))
    pause, taking = await stage.before_commit(one, "write_beside", one.take(lane, held(9000), at(210), 100))
    assert list(await two.settle(by_rule([ops]), at(210))) == []
    pause.go()
    await taking
    assert [event.status for event in await two.settle(by_rule([ops]), at(211))] == [Status.ONLINE]
    assert stage.rows("SELECT due_at FROM notifications ORDER BY id") == [(at(211),), (at(211),)]
