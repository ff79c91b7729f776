"""What a store does that keeps how long machines let pass between two heartbeats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lastseen.model import Forget, replace
from lastseen.model.intervals import Counted, Heard, Tally, Turn
from lastseen.testing.script import at, keep
from lastseen.testing.suite_base import StoreSuiteBase, declare

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)


def turn(machine: int, slug: str, start: float = 0, end: float = 3600, **more: object) -> Turn:
    return replace(Turn(machine, slug, at(start), at(end)), **more)


def tally(machine: int, week: datetime, seconds: float = 30, **counts: int) -> Tally:
    by_bucket = {int(bucket.removeprefix("b")): count for bucket, count in counts.items()}
    return Tally(machine, week, by_bucket, timedelta(seconds=seconds), week, week + timedelta(hours=1))


class IntervalsSuite(StoreSuiteBase):
    async def test_turns_are_told_to_whoever_listens(self) -> None:
        self.needs("intervals")
        async with self.opened() as store:
            pump, lamp = (one.machine for one in await declare(store, "pump", "lamp"))
            assert await store.begin_hearing("n1", at(0)) == []
            await store.change_turns((), [turn(pump.id, "pump"), turn(lamp.id, "lamp")])
            first, second = await store.hand_in(Heard("n1", at(0), at(300)))
            assert {first.slug, second.slug} == {"pump", "lamp"}
            assert 0 < first.id < second.id
            assert (first.starts_at, first.ends_at, first.asked) == (at(0), at(3600), False)
            await store.change_turns([lamp.id], [replace(first, ends_at=at(7200))])
            (longer,) = await store.turns()
            assert (longer.id, longer.machine_id, longer.ends_at) == (first.id, first.machine_id, at(7200))

    async def test_a_machine_that_is_removed_has_no_turn(self) -> None:
        self.needs("intervals")
        async with self.opened() as store:
            (pump,) = (one.machine for one in await declare(store, "pump"))
            await store.change_turns((), [turn(pump.id, "pump")])
            await store.order("pump", Forget(), lambda case: replace(keep(case), removed=True), at(1))
            assert await store.turns() == []
            await store.change_turns((), [turn(pump.id, "pump")])
            assert await store.turns() == []
            assert await store.ask_turn(turn(pump.id, "pump", asked=True), 5) is None

    async def test_what_is_handed_in_is_there_until_it_is_counted(self) -> None:
        self.needs("intervals")
        async with self.opened() as store:
            (pump,) = (one.machine for one in await declare(store, "pump"))
            await store.change_turns((), [turn(pump.id, "pump")])
            (mine,) = await store.begin_hearing("n1", at(0))
            moments = [at(10.000001), at(40), at(70.5)]
            assert await store.hand_in(Heard("n1", at(0), at(300), mine.id, {pump.id: moments}, frozenset([99])))
            until, (part,) = await store.handed_in()
            assert until == {"n1": at(300)}
            assert part.moments == {pump.id: moments}
            assert (part.node, part.start, part.end, part.known) == ("n1", at(0), at(300), mine.id)
            assert part.lost == {99}
            await store.keep_counted([], at(299))
            assert len((await store.handed_in())[1]) == 1
            await store.keep_counted([Counted(pump.id, at(300), at(70.5), [tally(pump.id, MONDAY, b7=2)])], at(300))
            assert (await store.handed_in())[1] == []
            (counted,) = await store.turns()
            assert (counted.last_at, counted.counted_until) == (at(70.5), at(300))

    async def test_counting_the_same_twice_adds_nothing(self) -> None:
        self.needs("intervals")
        async with self.opened() as store:
            pump, lamp = (one.machine for one in await declare(store, "pump", "lamp"))
            await store.change_turns((), [turn(pump.id, "pump"), turn(lamp.id, "lamp")])
            first = Counted(pump.id, at(300), at(290), [tally(pump.id, MONDAY, 60.5, b7=2, b400=1)])
            other = Counted(lamp.id, at(300), None, [tally(lamp.id, MONDAY, b7=9)])
            await store.keep_counted([first])
            await store.keep_counted([first, other])
            more = Counted(
                pump.id, at(600), at(590), [tally(pump.id, MONDAY, b7=1), tally(pump.id, MONDAY + WEEK, b8=4)]
            )
            await store.keep_counted([more, other], at(600))
            (old, new) = await store.tallies(pump.id, MONDAY)
            assert old == tally(pump.id, MONDAY, 90.5, b7=3, b400=1)
            assert new == tally(pump.id, MONDAY + WEEK, b8=4)
            assert await store.tallies(pump.id, MONDAY + WEEK) == [new], "weeks that were over then are left out"
            assert await store.tallies(lamp.id, MONDAY) == [tally(lamp.id, MONDAY, b7=9)]
            assert await store.tallies(2**40, MONDAY) == []

    async def test_old_weeks_go_a_few_at_a_time(self) -> None:
        self.needs("intervals")
        async with self.opened() as store:
            (pump,) = (one.machine for one in await declare(store, "pump"))
            await store.change_turns((), [turn(pump.id, "pump")])
            weeks = [tally(pump.id, MONDAY + number * WEEK, b7=1) for number in range(4)]
            await store.keep_counted([Counted(pump.id, at(300), None, weeks)])
            assert await store.forget_tallies(MONDAY + 3 * WEEK, 2) == 2
            assert await store.forget_tallies(MONDAY + 3 * WEEK, 2) == 1
            assert await store.forget_tallies(MONDAY + 3 * WEEK, 2) == 0
            assert await store.tallies(pump.id, MONDAY) == weeks[3:]

    async def test_who_was_given_up_hands_nothing_in_and_what_it_heard_is_lost_to_all(self) -> None:
        self.needs("intervals")
        async with self.opened() as store:
            assert await store.hand_in(Heard("n1", at(0), at(300))) is None, "it did not begin"
            await store.begin_hearing("n1", at(0))
            await store.give_up("n1", at(900))
            await store.give_up("n1", at(901))
            assert await store.hand_in(Heard("n1", at(0), at(300))) is None
            until, (part,) = await store.handed_in()
            assert until == {}
            assert (part.start, part.end, part.lost) == (at(0), at(900), None)

    async def test_who_begins_again_without_an_end_has_lost_what_it_had(self) -> None:
        self.needs("intervals")
        async with self.opened() as store:
            await store.begin_hearing("n1", at(0))
            assert await store.hand_in(Heard("n1", at(0), at(300))) == []
            await store.begin_hearing("n1", at(400))
            assert await store.hand_in(Heard("n1", at(300), at(600))) is None, "that was its predecessor's time"
            assert await store.hand_in(Heard("n1", at(400), at(700))) == []
            until, (part,) = await store.handed_in()
            assert until == {"n1": at(700)}
            assert (part.start, part.end, part.lost) == (at(300), at(400), None)
            await store.end_hearing("n1")
            await store.begin_hearing("n1", at(1000))
            assert len((await store.handed_in())[1]) == 1, "who ended had handed in everything"

    async def test_who_did_not_know_of_a_turn_yet_says_so(self) -> None:
        self.needs("intervals")
        async with self.opened() as store:
            (pump,) = (one.machine for one in await declare(store, "pump"))
            await store.begin_hearing("n1", at(0))
            await store.change_turns((), [turn(pump.id, "pump")])
            (mine,) = await store.hand_in(Heard("n1", at(0), at(300), known=0))
            _, (part,) = await store.handed_in()
            assert part.known < mine.id
            await store.hand_in(Heard("n1", at(300), at(600), known=mine.id))
            assert len((await store.handed_in())[1]) == 1, "nothing was heard, and nothing is missing"

    async def test_a_turn_that_is_asked_for_is_had_at_once_but_not_by_everybody(self) -> None:
        self.needs("intervals")
        async with self.opened() as store:
            pump, lamp = (one.machine for one in await declare(store, "pump", "lamp"))
            await store.change_turns((), [turn(pump.id, "pump", end=60)])
            asked = await store.ask_turn(turn(pump.id, "pump", end=9000, asked=True), 1)
            assert (asked.asked, asked.starts_at, asked.ends_at) == (True, at(0), at(9000))
            shorter = await store.ask_turn(turn(pump.id, "pump", end=80, asked=True), 1)
            assert shorter.ends_at == at(9000)
            assert await store.ask_turn(turn(lamp.id, "lamp", asked=True), 1) is None
            fresh = await store.ask_turn(turn(lamp.id, "lamp", asked=True), 2)
            assert (fresh.asked, fresh.machine_id) == (True, lamp.id)
