"""What a store does with what waits for a channel whose address becomes another."""

from __future__ import annotations

from typing import Any

from lastseen.model import Aftermath, ChannelState, Lease, Sent, replace
from lastseen.testing.script import admit_all, again, at, delivered
from lastseen.testing.suite_base import StoreSuiteBase, offline
from lastseen.testing.suite_optional import SPAN
from lastseen.testing.suite_outbox import BUSY, DONE, uids


async def hold(store: Any, name: str, channel: str, seconds: float, owner: str = "a") -> Lease:
    """The lane of this name, for this channel."""
    lease: Lease = replace(await store.lease(name, owner, SPAN, at(seconds)), channels=frozenset([channel]))
    return lease


class LaneSuite(StoreSuiteBase):
    async def on_its_way(self, store: Any, *slugs: str) -> tuple[str, Lease, Any]:
        """A channel, and what is being sent on its old lane since second 200."""
        for capability in ("channels", "leases"):
            self.needs(capability)
        ops, _ = await self.channels(store)
        await offline(store, *slugs, channels=[ops])
        old = await hold(store, "old address", ops, 200)
        (attempt,) = await store.take(old, admit_all(), at(200), 1)
        return ops, old, attempt

    async def test_what_is_in_the_air_lands_before_a_channel_is_sent_on_another_lane(self) -> None:
        async with self.opened() as store:
            ops, old, attempt = await self.on_its_way(store, "pump", "fan")
            new = await hold(store, "new address", ops, 201)
            assert new.token == old.token, "tokens of two lanes say nothing of each other"
            assert await store.take(new, admit_all(), at(201), 10) == []
            assert await store.finish(old, attempt, DONE, delivered, at(202))
            (second,) = await store.take(new, admit_all(), at(203), 10)
            assert not set(uids([second])) & set(uids([attempt]))
            assert await store.finish(new, second, DONE, delivered, at(204))
            assert await store.next_due() is None

    async def test_what_nobody_ends_any_more_is_sent_on_the_new_lane_when_the_old_lease_is_over(self) -> None:
        async with self.opened() as store:
            ops, old, attempt = await self.on_its_way(store, "pump")
            new = await hold(store, "new address", ops, 229)
            assert await store.take(new, admit_all(), at(229), 10) == []
            assert (await store.next_due() or at(0)) <= at(230), "then somebody looks again"
            (again_,) = await store.take(new, admit_all(), at(231), 10)
            assert uids([again_]) == uids([attempt])
            assert not await store.finish(old, attempt, DONE, delivered, at(232)), "too late"
            assert await store.finish(new, again_, DONE, delivered, at(233))

    async def test_a_channel_whose_address_changes_twice_comes_back(self) -> None:
        async with self.opened() as store:
            ops, old, attempt = await self.on_its_way(store, "pump", "fan")
            assert await store.finish(old, attempt, DONE, delivered, at(201))
            new = await hold(store, "new address", ops, 202)
            (second,) = await store.take(new, admit_all(), at(202), 10)
            assert await store.take(old, admit_all(), at(203), 10) == []
            assert await store.finish(new, second, BUSY, again(at(204)), at(204))
            (third,) = await store.take(old, admit_all(), at(205), 10)
            assert uids([third]) == uids([second])

    async def test_trouble_of_the_old_lane_is_not_that_of_who_has_left_it(self) -> None:
        cooled = ChannelState(failures=1, failing_since=at(202), ready_at=at(900))

        def trouble(sent: Sent) -> Aftermath:
            return replace(again(at(202))(sent), state=cooled, lane_wide=True)

        for capability in ("channels", "leases"):
            self.needs(capability)
        async with self.opened() as store:
            ops, boss = await self.channels(store)
            await offline(store, "pump", channels=[ops, boss])
            old = replace(await hold(store, "old address", ops, 200), channels=frozenset([ops, boss]))
            first = {one.channel: one for one in await store.take(old, admit_all(), at(200), 10)}
            assert await store.finish(old, first[ops], BUSY, again(at(202)), at(202))
            new = await hold(store, "new address", ops, 203)
            (second,) = await store.take(new, admit_all(), at(203), 10)
            assert await store.finish(new, second, BUSY, again(at(204)), at(204))
            assert await store.finish(old, first[boss], BUSY, trouble, at(205))
            assert await store.take(replace(old, channels=frozenset([boss])), admit_all(), at(206), 10) == []
            assert uids(await store.take(new, admit_all(), at(206), 10)) == uids([first[ops]])

    async def test_a_changed_address_begins_without_the_failures_of_the_old_one(self) -> None:
        cooled = ChannelState(failures=3, failing_since=at(100), ready_at=at(900))

        def trouble(sent: Sent) -> Aftermath:
            return replace(again(at(800))(sent), state=cooled)

        async with self.opened() as store:
            ops, old, attempt = await self.on_its_way(store, "pump")
            assert await store.finish(old, attempt, BUSY, trouble, at(202))
            assert await store.take(old, admit_all(), at(203), 10) == []
            await store.change_channel(ops, {"url": "http://another"}, at(204))
            assert await store.next_due() == at(204)
            (second,) = await store.take(old, admit_all(), at(204), 10)
            assert (uids([second]), second.probe) == (uids([attempt]), False)

    async def test_what_was_said_at_the_old_address_is_neither_edited_nor_answered_at_the_new_one(self) -> None:
        self.needs("history")
        async with self.opened() as store:
            ops, old, attempt = await self.on_its_way(store, "pump")
            incident = attempt.deliveries[0].event.uid
            assert await store.finish(old, attempt, DONE, delivered, at(201))
            assert len(await store.spoken(ops, incident)) == 1
            await store.change_channel(ops, {"chat_id": 9}, at(202))
            assert await store.spoken(ops, incident) == []
