"""What a store does with what is to be sent."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import anyio

from lastseen.model import (
    Admission,
    Aftermath,
    Attempt,
    Beat,
    Cancel,
    Cause,
    Delivered,
    Event,
    Hold,
    Incident,
    Notification,
    NotificationState,
    Retry,
    Send,
    Sent,
    notification_uid,
    replace,
)
from lastseen.testing.script import admit_all, again, at, by_rule, delivered, lease
from lastseen.testing.suite_base import StoreSuiteBase, offline, online

Asked = Callable[[], Incident]
DONE = Delivered("m-1")
BUSY = Retry("busy")


async def take(
    store: Any, channels: Sequence[str], seconds: float, token: int = 1, batch: int = 1, limit: int = 100
) -> list[Attempt]:
    return list(await store.take(lease(channels, token), admit_all(batch), at(seconds), limit))


async def done(store: Any, attempt: Attempt, channels: Sequence[str], seconds: float, token: int = 1) -> bool:
    kept: bool = await store.finish(lease(channels, token), attempt, DONE, delivered, at(seconds))
    return kept


def uids(attempts: Sequence[Attempt]) -> list[str]:
    return [d.notification.uid for a in attempts for d in a.deliveries]


def machines(attempts: Sequence[Attempt]) -> list[str | None]:
    return [d.event.machine for a in attempts for d in a.deliveries]


class OutboxSuite(StoreSuiteBase):
    async def test_what_was_taken_is_not_taken_again_and_what_was_delivered_is_over(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            assert await take(store, [ops], 0) == []
            assert await store.next_due() is None
            await offline(store, "pump", channels=[ops])
            assert await store.next_due() == at(200)
            (attempt,) = await take(store, [ops], 200)
            assert attempt.deliveries[0].notification.attempts == 1
            assert await take(store, [ops], 201) == []
            assert await done(store, attempt, [ops], 202)
            assert await take(store, [ops], 1e5, token=2) == []
            assert await store.next_due() is None

    async def test_two_at_once_never_take_the_same(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, *[f"m{i}" for i in range(30)], channels=[ops])
            taken: list[Attempt] = []

            async def one() -> None:
                taken.extend(await take(store, [ops], 200, limit=7))

            async with anyio.create_task_group() as group:
                for _ in range(6):
                    group.start_soon(one)
            assert len(uids(taken)) == len(set(uids(taken))) == 30

    async def test_only_the_channels_of_the_lane_are_touched(self) -> None:
        async with self.opened() as store:
            ops, pager = await self.channels(store)
            await offline(store, "pump", channels=[ops, pager])
            assert [a.channel for a in await take(store, [pager], 200)] == [pager]
            assert [a.channel for a in await take(store, [ops], 200)] == [ops]

    async def test_machines_go_in_parallel_and_each_in_its_order(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "a", "b", channels=[ops])
            await store.record([Beat("a", at(300)), Beat("b", at(300))], at(300))
            await store.settle(by_rule([ops]), at(300))
            first = await take(store, [ops], 300)
            assert sorted(str(m) for m in machines(first)) == ["a", "b"]
            assert {d.event.type for a in first for d in a.deliveries} == {"machine.offline"}
            assert await take(store, [ops], 301) == []
            (of_a,) = (a for a in first if machines([a]) == ["a"])
            await done(store, of_a, [ops], 302)
            (second,) = await take(store, [ops], 303)
            assert (machines([second]), second.deliveries[0].event.type) == (["a"], "machine.online")
            assert second.deliveries[0].reply_to == f"receipt-{of_a.id}"

    async def test_the_limit_holds(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "a", "b", "c", channels=[ops])
            assert [len(await take(store, [ops], 200, limit=2)) for _ in range(3)] == [2, 1, 0]

    async def test_what_a_dead_process_was_sending_is_sent_again_under_the_same_id(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            (lost,) = await take(store, [ops], 200, token=4)
            (again_,) = await take(store, [ops], 201, token=5)
            assert uids([again_]) == uids([lost])
            assert again_.deliveries[0].notification.attempts == 2

    async def test_a_result_that_comes_after_the_lease_was_lost_is_not_accepted(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            (lost,) = await take(store, [ops], 200, token=4)
            (current,) = await take(store, [ops], 201, token=5)
            assert not await done(store, lost, [ops], 202, token=4)
            assert await done(store, current, [ops], 203, token=5)
            assert not await done(store, lost, [ops], 204, token=4)

    async def test_a_result_that_comes_twice_is_accepted_once(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            (attempt,) = await take(store, [ops], 200)
            assert await done(store, attempt, [ops], 201)
            assert not await store.finish(lease([ops]), attempt, BUSY, again(at(202)), at(202))
            assert await take(store, [ops], 300, token=2) == []

    async def test_a_hold_waits_and_keeps_its_time_to_live(self) -> None:
        def hold(notification: Notification, event: Event, now: datetime, incident: Asked) -> Admission:
            return Hold(at(1000), "quiet hours") if now < at(1000) else Send()

        async with self.opened() as store:
            ops, _ = await self.channels(store)
            (event,) = await offline(store, "pump", channels=[ops])
            assert await store.take(lease([ops]), hold, at(200), 10) == []
            assert await store.next_due() == at(1000)
            assert await store.take(lease([ops]), hold, at(999), 10) == []
            (attempt,) = await store.take(lease([ops]), hold, at(1000), 10)
            assert attempt.deliveries[0].notification.expires_at == event.at + timedelta(hours=76, seconds=800)

    async def test_a_cancelled_notification_frees_the_next(self) -> None:
        def no_offline(notification: Notification, event: Event, now: datetime, incident: Asked) -> Admission:
            return Cancel("over") if event.type == "machine.offline" else Send()

        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            await store.record([Beat("pump", at(300))], at(300))
            await store.settle(by_rule([ops]), at(300))
            (attempt,) = await store.take(lease([ops]), no_offline, at(300), 10)
            assert attempt.deliveries[0].event.type == "machine.online"

    async def test_a_hold_that_is_asked_for_again_adds_nothing(self) -> None:
        def hold(notification: Notification, event: Event, now: datetime, incident: Asked) -> Admission:
            return Hold(at(1000), "held: quiet hours") if now < at(1000) else Send()

        async with self.opened() as store:
            ops, _ = await self.channels(store)
            (event,) = await offline(store, "pump", channels=[ops])
            await store.take(lease([ops]), hold, at(200), 10)
            await store.record([Beat("pump", at(300))], at(300))
            await store.settle(by_rule([ops]), at(300))
            assert await store.next_due() == at(300), "it is asked anew when something happens to its machine"
            assert await store.take(lease([ops]), hold, at(300), 10) == []
            (attempt, *_) = await store.take(lease([ops]), hold, at(1000), 10)
            assert attempt.deliveries[0].event.uid == event.uid

    async def test_what_waits_behind_something_that_is_held_is_not_due(self) -> None:
        def hold(notification: Notification, event: Event, now: datetime, incident: Asked) -> Admission:
            return Hold(at(1000), "held: quiet hours")

        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            await store.record([Beat("pump", at(300))], at(300))
            await store.settle(by_rule([ops]), at(300))
            assert await store.take(lease([ops]), hold, at(300), 10) == []
            assert await store.next_due() == at(1000)

    async def test_a_reminder_that_waits_holds_up_nothing(self) -> None:
        def early(notification: Notification, event: Event, now: datetime, incident: Asked) -> Admission:
            waits = notification.cause is Cause.REMINDER and now < at(1000)
            return Hold(at(1000), "held: told again after a while") if waits else Send()

        def remind(sent: Sent) -> Aftermath:
            again_ = replace(
                sent.attempt.deliveries[0].notification,
                uid="4bd6ee7f-4e4a-5a40-8d0c-3f5f7b8a00ff",
                cause=Cause.REMINDER,
                occasion=1,
                attempts=0,
                state=NotificationState.PENDING,
                lease_token=None,
                due_at=at(1000),
                while_open=True,
            )
            return replace(delivered(sent), more=(again_,))

        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            (attempt,) = await store.take(lease([ops]), early, at(200), 10)
            assert await store.finish(lease([ops]), attempt, DONE, remind, at(201))
            assert await store.next_due() == at(1000)
            await store.record([Beat("pump", at(300))], at(300))
            await store.settle(by_rule([ops]), at(300))
            assert await store.next_due() == at(300)
            (attempt,) = await store.take(lease([ops]), early, at(300), 10)
            assert attempt.deliveries[0].event.type == "machine.online"
            assert await store.take(lease([ops]), early, at(1000), 10) == [], "one attempt for the machine at a time"
            assert await done(store, attempt, [ops], 1000)
            (attempt,) = await store.take(lease([ops]), early, at(1000), 10)
            assert attempt.deliveries[0].notification.cause is Cause.REMINDER

    async def test_admission_is_told_how_the_incident_stands(self) -> None:
        seen: list[tuple[str, Incident]] = []

        def look(notification: Notification, event: Event, now: datetime, incident: Asked) -> Admission:
            seen.append((event.type, incident()))
            return Cancel("over") if event.type == "machine.offline" and now < at(400) else Send()

        async with self.opened() as store:
            ops, _ = await self.channels(store)
            (event,) = await offline(store, "pump", channels=[ops])
            uid = notification_uid(event.uid, ops)
            await store.take(lease([ops]), look, at(200), 10)
            assert seen == [("machine.offline", Incident(waiting=frozenset([uid])))]
            await store.record([Beat("pump", at(300))], at(300))
            await store.settle(by_rule([ops]), at(300))
            seen.clear()
            (attempt,) = await store.take(lease([ops]), look, at(300), 10)
            assert seen == [("machine.online", Incident(over=at(300), cancelled=True))]
            await done(store, attempt, [ops], 301)
            (later,) = await store.settle(by_rule([ops]), at(600))
            seen.clear()
            (attempt,) = await store.take(lease([ops]), look, at(600), 10)
            assert seen == [("machine.offline", Incident(waiting=frozenset([notification_uid(later.uid, ops)])))]
            await done(store, attempt, [ops], 601)
            await store.record([Beat("pump", at(700))], at(700))
            await store.settle(by_rule([ops]), at(700))
            seen.clear()
            await store.take(lease([ops]), look, at(700), 10)
            assert seen == [("machine.online", Incident(over=at(700), told=True))]

    async def test_what_could_not_be_delivered_in_time_expires(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            assert await take(store, [ops], 200 + 76 * 3600) == []
            assert await store.next_due() is None

    async def test_a_failed_one_waits_its_time(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            (attempt,) = await take(store, [ops], 200)
            assert await store.finish(lease([ops]), attempt, BUSY, again(at(500)), at(201))
            assert await store.next_due() == at(500)
            assert await take(store, [ops], 499) == []
            (second,) = await take(store, [ops], 500)
            assert uids([second]) == uids([attempt])
            assert second.deliveries[0].notification.attempts == 2

    async def test_a_failing_channel_is_left_alone_then_probed_then_released(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "a", "b", "c", channels=[ops])
            first, *others = await take(store, [ops], 200, limit=1)
            await store.finish(lease([ops]), first, BUSY, again(at(5000), cool_until=at(260)), at(201))
            assert others == []
            assert await take(store, [ops], 259) == []
            assert await store.next_due() == at(260)
            (probe,) = await take(store, [ops], 260)
            assert not probe.probe, "it was due anyway: a try like any other"
            assert probe.failing_since == at(201)
            assert await take(store, [ops], 261) == [], "one probe at a time"
            await store.finish(lease([ops]), probe, BUSY, again(at(5001), cool_until=at(400)), at(262))
            (second,) = await take(store, [ops], 400)
            await store.finish(lease([ops]), second, BUSY, again(at(5002), cool_until=at(600)), at(401))
            (ahead,) = await take(store, [ops], 600)
            assert ahead.probe
            assert ahead.deliveries[0].notification.attempts == 1, "a probe ahead of its wait is no try"
            assert await done(store, ahead, [ops], 601)
            assert len(await take(store, [ops], 602)) == 2, "the first success makes all that wait due"

    async def test_what_is_held_does_not_probe_a_failing_channel(self) -> None:
        def hold(notification: Notification, event: Event, now: datetime, incident: Asked) -> Admission:
            return Hold(at(1000), "held: quiet hours") if at(250) < now < at(1000) else Send()

        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "a", channels=[ops])
            (attempt,) = await store.take(lease([ops]), hold, at(200), 10)
            await store.finish(lease([ops]), attempt, BUSY, again(at(5000), cool_until=at(260)), at(201))
            assert await store.next_due() == at(260)
            assert await store.take(lease([ops]), hold, at(260), 10) == []
            assert await store.next_due() == at(1000), "nobody need ask each second"
            assert len(await store.take(lease([ops]), hold, at(1000), 10)) == 1

    async def test_a_batch_speaks_for_many_and_stays_as_it_was(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "a", "b", "c", channels=[ops])
            (pair, _single) = await take(store, [ops], 200, batch=2)
            assert len(pair.deliveries) == 2
            await store.finish(lease([ops]), pair, BUSY, again(at(210)), at(201))
            await offline(store, "d", channels=[ops])
            attempts = await take(store, [ops], 210, batch=10)
            assert sorted(uids([pair])) in [sorted(uids([a])) for a in attempts]
            assert [len(a.deliveries) for a in attempts if machines([a]) == ["d"]] == [1]

    async def test_one_machine_is_never_in_two_attempts_at_once_whatever_goes_together(self) -> None:
        for seed in range(4):
            async with self.opened() as store:
                ops, _ = await self.channels(store)
                await self._many_turns(store, ops, random.Random(seed))  # noqa: S311  (the same each time)

    async def _many_turns(self, store: Any, ops: str, chance: random.Random) -> None:
        """Machines come and go; sends overlap, end in any order, well or badly, some of them after a retry."""
        names, under_way, told = ["a", "b", "c", "d"], [], dict[str, list[int]]()
        await online(store, *names)
        for seconds in range(200, 200 + 40 * 130, 130):
            heard = [name for name in names if chance.random() < 0.5]
            await store.record([Beat(name, at(seconds)) for name in heard], at(seconds))
            await store.settle(by_rule([ops]), at(seconds))
            batch, limit = chance.choice((1, 2, 3, 10)), chance.choice((1, 2, 10))
            under_way += await take(store, [ops], seconds, batch=batch, limit=limit)
            spoken_of = [machine for attempt in under_way for machine in set(machines([attempt]))]
            assert len(spoken_of) == len(set(spoken_of)), f"in two attempts at once at {seconds} s"
            chance.shuffle(under_way)
            while under_way and chance.random() < 0.6:
                attempt = under_way.pop()
                if chance.random() < 0.3:
                    assert await store.finish(lease([ops]), attempt, BUSY, again(at(seconds + 50)), at(seconds))
                    continue
                assert await done(store, attempt, [ops], seconds)
                for delivery in attempt.deliveries:
                    told.setdefault(str(delivery.event.machine), []).append(delivery.event.seq or 0)
        assert told
        assert all(seqs == sorted(set(seqs)) for seqs in told.values()), "each once, in order"

    async def test_a_batch_may_hold_both_ends_of_an_outage_in_order(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            await store.record([Beat("pump", at(300))], at(300))
            await store.settle(by_rule([ops]), at(300))
            (attempt,) = await take(store, [ops], 300, batch=10)
            assert [d.event.type for d in attempt.deliveries] == ["machine.offline", "machine.online"]
            outage = attempt.deliveries[0].outage
            assert outage is not None
            assert outage.ended_at is not None

    async def test_one_that_was_refused_goes_alone(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "a", "b", channels=[ops])
            (pair,) = await take(store, [ops], 200, batch=10)
            await store.finish(lease([ops]), pair, BUSY, again(at(201), solo=True), at(201))
            assert [len(a.deliveries) for a in await take(store, [ops], 201, batch=10)] == [1, 1]

    async def test_what_is_known_at_the_send_is_the_outage_as_it_is_now(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            (attempt,) = await take(store, [ops], 200)
            outage = attempt.deliveries[0].outage
            assert outage is not None
            assert (outage.started_at, outage.ended_at) == (at(0), None)
            await online(store, "other")
            assert attempt.deliveries[0].event.snapshot["machine"]["name"] == "pump"
