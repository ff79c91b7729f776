"""What a store does whose events are followed live."""

from __future__ import annotations

from typing import Any

from lastseen.model import Beat, Watch
from lastseen.model.seen import Seen, Sequel
from lastseen.testing.script import at, by_rule, keep
from lastseen.testing.suite_base import StoreSuiteBase, declare, offline, online


async def since(store: Any, seen: Seen, limit: int = 500) -> tuple[list[Any], Seen]:
    """All events from there on, as they are printed, and the position after them."""
    found: list[Any] = []
    while True:
        sequel: Sequel = await store.sequel(seen, limit)
        assert len(sequel.events) <= limit
        found += [one.event for one in sequel.events]
        seen = sequel.seen
        if not sequel.more:
            return found, seen


class FollowingSuite(StoreSuiteBase):
    async def test_who_follows_is_given_what_happens_from_then_on(self) -> None:
        self.needs("follows")
        async with self.opened() as store:
            assert await since(store, await store.seen_all()) == ([], await store.seen_all())
            await online(store, "pump")
            now = await store.seen_all()
            assert (await since(store, now))[0] == []
            (event,) = await store.settle(by_rule(), at(200))
            (told,), after = await since(store, now)
            assert (told["uid"], told["machine"], told["type"]) == (event.uid, "pump", "machine.offline")
            assert (told["seq"], told["previous_status"], told["status"]) == (event.seq, "online", "offline")
            assert told["id"] in after
            assert told["id"] not in now
            assert (await since(store, after))[0] == []

    async def test_pages_of_any_size_give_each_event_once_in_order(self) -> None:
        self.needs("follows")
        async with self.opened() as store:
            start = await store.seen_all()
            await offline(store, *(f"m{number}" for number in range(5)))
            whole, end = await since(store, start)
            assert len({event["uid"] for event in whole}) == len(whole) == 10
            assert [event["id"] for event in whole] == sorted(event["id"] for event in whole)
            for size in (1, 2, 3, 10, 11):
                assert await since(store, start, size) == (whole, end)
            for event in whole:
                rest, _ = await since(store, Seen(event["id"]))
                assert [one["id"] for one in rest] == [one["id"] for one in whole if one["id"] > event["id"]]

    async def test_what_is_newer_than_a_position_is_not_given_within_it(self) -> None:
        self.needs("follows")
        async with self.opened() as store:
            start = await store.seen_all()
            await online(store, "pump")
            middle = await store.seen_all()
            await store.settle(by_rule(), at(200))
            sequel = await store.sequel(start, 500, middle)
            assert [one.event["type"] for one in sequel.events] == ["machine.online"]
            assert (sequel.seen, sequel.more) == (middle, False)
            assert [one["type"] for one in (await since(store, middle))[0]] == ["machine.offline"]

    async def test_an_event_says_whose_machine_it_is_of(self) -> None:
        self.needs("follows")
        async with self.opened() as store:
            start = await store.seen_all()
            await declare(store, "pump")
            await store.order("pump", Watch({"name": "Pump"}), keep, at(1))
            await store.record([Beat("pump", at(2))], at(2))
            await store.settle(by_rule(), at(2))
            assert {one.owner for one in (await store.sequel(start)).events} == {None}
