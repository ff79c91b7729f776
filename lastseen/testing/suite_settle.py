"""What a store does with decisions and orders."""

from __future__ import annotations

import anyio
import pytest

from lastseen.errors import Conflict, InvalidInput, UnknownMachine
from lastseen.model import (
    Beat,
    Case,
    Disable,
    Enable,
    Event,
    EventType,
    Forget,
    Pause,
    Resume,
    Said,
    Status,
    Verdict,
    Watch,
    replace,
)
from lastseen.testing.script import LIMIT, admit_all, at, by_rule, keep, lease, move
from lastseen.testing.suite_base import StoreSuiteBase, declare, offline, online, standing


def never(case: Case) -> Verdict:
    raise AssertionError(f"decide was called for {case.standing.machine.slug}")


class SettleSuite(StoreSuiteBase):
    async def test_nothing_due_is_nothing_done(self) -> None:
        async with self.opened() as store:
            assert await store.settle(never, at(0)) == []
            assert await store.next_check() is None
            (pump,) = await online(store, "pump")
            assert await store.settle(never, at(119)) == []
            assert await store.next_check() == at(120) == pump.liveness.check_at

    async def test_the_longest_due_come_first_and_the_limit_holds(self) -> None:
        seen: list[str] = []

        def decide(case: Case) -> Verdict:
            seen.append(case.standing.machine.slug)
            return keep(case)

        async with self.opened() as store:
            for second, slug in ((30, "c"), (10, "a"), (20, "b")):
                await online(store, slug, seconds=second)
            await store.settle(decide, at(600), 2)
            assert seen == ["a", "b"]
            await store.settle(decide, at(600), 2)
            assert seen == ["a", "b", "c"]

    async def test_who_was_heard_again_is_decided_on_alone(self) -> None:
        seen: list[str] = []
        rule = by_rule()

        def decide(case: Case) -> Verdict:
            seen.append(case.standing.machine.slug)
            return rule(case)

        async with self.opened() as store:
            await offline(store, "gone", "back", "late", "new")
            await online(store, "silent", seconds=100)
            for second, slug in ((500, "back"), (501, "new"), (502, "late")):
                await store.record([Beat(slug, at(second))], at(second))
            assert await store.settle(never, at(499), back=True) == []
            assert [e.machine for e in await store.settle(decide, at(501), back=True)] == ["back", "new"]
            assert [e.machine for e in await store.settle(decide, at(502), 1, back=True)] == ["late"]
            assert await store.settle(never, at(502), back=True) == []
            assert seen == ["back", "new", "late"], "one that is due and was not heard"
            assert [e.machine for e in await store.settle(decide, at(502))] == ["silent"]

    async def test_a_verdict_is_written_whole(self) -> None:
        async with self.opened() as store:
            ops, pager = await self.channels(store)
            (event,) = await offline(store, "pump", channels=(ops, pager))
            now = await standing(store, "pump")
            assert isinstance(event, Event)
            assert (now.liveness.status, now.liveness.seq) == (Status.OFFLINE, event.seq)
            assert now.liveness.incident == event.uid
            assert now.outage is not None
            assert (now.outage.started_at, now.outage.detected_at) == (at(0), at(200))
            attempts = await store.take(lease((ops, pager)), admit_all(), at(200), 10)
            assert {a.channel for a in attempts} == {ops, pager}, "an event without its notifications"
            assert all(d.event == event for a in attempts for d in a.deliveries)

    async def test_the_end_of_an_outage_closes_it_and_knows_who_was_told(self) -> None:
        seen: list[Case] = []

        def decide(case: Case) -> Verdict:
            seen.append(case)
            return move(case, Status.ONLINE, at(900))

        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=(ops,))
            await store.record([Beat("pump", at(300))], at(300))
            (event,) = await store.settle(decide, at(300))
            assert seen[0].standing.outage is not None
            assert seen[0].told == {ops}
            assert event.incident == seen[0].standing.liveness.incident
            after = await standing(store, "pump")
            assert after.outage is None
            assert after.liveness.incident is None

    async def test_a_decision_that_fails_parks_that_machine_only(self) -> None:
        def decide(case: Case) -> Verdict:
            if case.standing.machine.slug == "bad":
                raise ZeroDivisionError
            return move(case, Status.OFFLINE)

        async with self.opened() as store:
            await online(store, "good1", "bad", "good2")
            events = await store.settle(decide, at(200))
            assert {e.machine for e in events} == {"good1", "good2"}
            parked = (await standing(store, "bad")).liveness
            assert parked.status is Status.ONLINE
            assert parked.check_at == at(200 + 300)
            assert await store.settle(never, at(499)) == []

    async def test_an_event_that_is_there_already_is_not_written_again(self) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            verdicts: list[Verdict] = []

            def decide(case: Case) -> Verdict:
                if not verdicts:
                    verdicts.append(move(case, Status.OFFLINE, at(200), (ops,)))
                return verdicts[0]

            await online(store, "pump")
            assert len(await store.settle(decide, at(200))) == 1
            assert len(await store.take(lease((ops,)), admit_all(), at(200), 10)) == 1
            assert await store.settle(decide, at(201)) == []
            assert await store.take(lease((ops,)), admit_all(), at(201), 10) == []

    async def test_two_at_once_decide_each_machine_once(self) -> None:
        decided: list[str] = []
        rule = by_rule()

        def decide(case: Case) -> Verdict:
            decided.append(case.standing.machine.slug)
            return rule(case)

        async with self.opened() as store:
            slugs = [f"m{i}" for i in range(30)]
            await online(store, *slugs)
            events: list[Event] = []

            async def settle() -> None:
                events.extend(await store.settle(decide, at(200), 10))

            async with anyio.create_task_group() as group:
                for _ in range(6):
                    group.start_soon(settle)
            assert sorted(decided) == sorted(slugs)
            assert sorted(str(e.machine) for e in events) == sorted(slugs)

    async def test_a_heartbeat_beside_a_settle_is_never_lost(self) -> None:
        async with self.opened() as store:
            slugs = [f"m{i}" for i in range(20)]
            await online(store, *slugs)
            async with anyio.create_task_group() as group:
                group.start_soon(store.settle, by_rule(), at(200))
                for slug in slugs:
                    group.start_soon(store.record, [Beat(slug, at(200.5))], at(200.5))
            await store.settle(by_rule(), at(201))
            known = await store.liveness(slugs)
            assert {s.liveness.status for s in known.values()} == {Status.ONLINE}
            assert {s.liveness.last_seen for s in known.values()} == {at(200.5)}

    # -- orders

    async def test_watch_declares_a_machine_with_what_is_said_of_it(self) -> None:
        async with self.opened() as store:
            changes = {"name": "Pump Nr. 3", "tags": ("cellar",), "offline_after": LIMIT}
            await store.order("pump", Watch(changes), keep, at(3))
            now = await standing(store, "pump")
            assert (now.machine.slug, now.machine.name, now.machine.tags) == ("pump", "Pump Nr. 3", ("cellar",))
            assert now.machine.offline_after == LIMIT
            assert (now.liveness.status, now.liveness.seq) == (Status.PROVISIONING, 0)
            assert now.liveness.watch_from == at(3)

    async def test_watch_changes_only_what_it_names_and_shows_it_to_the_decision(self) -> None:
        seen: list[Case] = []

        def decide(case: Case) -> Verdict:
            seen.append(case)
            return keep(case, at(77))

        async with self.opened() as store:
            await store.order("pump", Watch({"name": "Pump", "hostname": "p3"}), keep, at(0))
            await store.order("pump", Watch({"name": "Big pump"}), decide, at(5))
            assert (seen[0].standing.machine.name, seen[0].standing.machine.hostname) == ("Big pump", "p3")
            assert seen[0].order == Watch({"name": "Big pump"})
            assert await store.next_check() == at(77)

    async def test_watch_can_insist_on_a_new_or_a_known_machine(self) -> None:
        async with self.opened() as store:
            with pytest.raises(UnknownMachine):
                await store.order("pump", Watch(expect="known"), never, at(0))
            await store.order("pump", Watch(expect="new"), keep, at(0))
            with pytest.raises(Conflict):
                await store.order("pump", Watch({"name": "x"}, expect="new"), never, at(0))
            assert (await standing(store, "pump")).machine.name == "pump"

    async def test_a_slug_that_is_none_is_refused(self) -> None:
        async with self.opened() as store:
            for bad in ("", "two words", "x" * 201, "a/b"):
                with pytest.raises(InvalidInput):
                    await store.order(bad, Watch(), never, at(0))

    async def test_orders_for_nobody_are_refused(self) -> None:
        async with self.opened() as store:
            for order in (Pause(), Resume(), Forget(), Disable()):
                with pytest.raises(UnknownMachine):
                    await store.order("nobody", order, never, at(0))

    async def test_an_order_whose_decision_fails_changes_nothing(self) -> None:
        def broken(case: Case) -> Verdict:
            raise ZeroDivisionError

        async with self.opened() as store:
            with pytest.raises(ZeroDivisionError):
                await store.order("pump", Watch({"name": "x"}), broken, at(0))
            assert await store.liveness(["pump"]) == {}
            await declare(store, "pump")
            with pytest.raises(ZeroDivisionError):
                await store.order("pump", Watch({"name": "x"}), broken, at(0))
            assert (await standing(store, "pump")).machine.name == "pump"

    async def test_disable_and_enable_are_remembered(self) -> None:
        async with self.opened() as store:
            await declare(store, "pump")
            await store.order("pump", Disable(), lambda case: move(case, Status.PAUSED), at(1))
            assert not (await standing(store, "pump")).machine.enabled
            await store.order("pump", Enable(), lambda case: move(case, Status.PROVISIONING), at(2))
            assert (await standing(store, "pump")).machine.enabled

    async def test_an_order_sees_and_uses_up_the_signals(self) -> None:
        seen: list[Case] = []

        def decide(case: Case) -> Verdict:
            seen.append(case)
            return keep(case)

        async with self.opened() as store:
            await online(store, "pump")
            await store.record([Beat("pump", at(5), Said.ERROR)], at(5))
            await store.order("pump", Pause(), decide, at(6))
            assert [s.said for s in seen[0].signals] == [Said.ERROR]
            await store.record([Beat("pump", at(7), Said.GOODBYE)], at(7))
            await store.settle(decide, at(7))
            assert [s.said for s in seen[1].signals] == [Said.GOODBYE]

    async def test_a_machine_that_was_forgotten_is_unknown_and_its_slug_is_free(self) -> None:
        async with self.opened() as store:
            (first,) = await online(store, "pump")

            def removed(case: Case) -> Verdict:
                verdict = move(case, Status.PAUSED)
                return Verdict(verdict.liveness, verdict.events, removed=True)

            await store.order("pump", Forget(), removed, at(5))
            assert await store.liveness(["pump", first.machine.id]) == {}
            assert (await store.record([Beat("pump", at(6))], at(6))).unknown == {"pump"}
            assert (await store.record([Beat(first.machine.id, at(6))], at(6))).unknown == {first.machine.id}
            assert await store.next_check() is None
            (second,) = await declare(store, "pump")
            assert second.machine.id != first.machine.id
            assert second.machine.uid != first.machine.uid

    async def test_a_decision_may_look_at_what_happened_before_and_who_was_told(self) -> None:
        seen: list[Case] = []

        async with self.opened() as store:
            ops, pager = await self.channels(store)
            (gone,) = await offline(store, "pump", channels=(ops,))
            await offline(store, "web", channels=(ops, pager))

            def decide(case: Case) -> Verdict:
                seen.append(case)
                assert [event.seq for event in case.newest_events(9)] == list(range(1, case.standing.liveness.seq + 1))
                assert case.newest_events(1) == [gone]
                assert case.began_to_flap() is None
                assert case.newest_events(1)[0].snapshot == gone.snapshot
                assert case.told_of(gone.uid) == {ops}
                assert case.told_of("no such event") == frozenset()
                return keep(case)

            await store.record([Beat("pump", at(700))], at(700))
            await store.settle(decide, at(700))
            assert len(seen) == 1

    async def test_the_event_with_which_it_began_to_flap_last_is_found_behind_its_changes(self) -> None:
        read: list[Event | None] = []

        def decide(case: Case) -> Verdict:
            row = case.standing.liveness
            read.append(case.began_to_flap())
            verdict = move(case, Status.OFFLINE if row.status is Status.ONLINE else Status.ONLINE, check_at=case.now)
            if row.seq not in (2, 4):
                return verdict
            return replace(verdict, events=(replace(verdict.events[0], type=EventType.FLAPPING.value),))

        async with self.opened() as store:
            await online(store, "pump", "other")
            for second in range(1, 10):
                await store.order("pump", Watch(), decide, at(600 + second))
            assert [event and event.seq for event in read] == [None, None, 3, 3, 5, 5, 5, 5, 5]
