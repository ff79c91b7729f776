"""What a store does that has `Retention`: what is old goes, and nothing that is needed does."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from lastseen.model import Beat, Forget, Said, Status, Verdict, Watch, replace
from lastseen.model.retention import Keep
from lastseen.testing.script import again, at, by_rule, keep, lease, move
from lastseen.testing.suite_base import StoreSuiteBase, offline, standing
from lastseen.testing.suite_outbox import BUSY, done, take, uids

DAY = 86_400.0
LIMIT = timedelta(days=100)
SHORT = Keep(events=LIMIT, attempts=LIMIT, runs=LIMIT, reports=LIMIT)
LATER = at(400 * DAY)


async def a_round(store: Any, now: datetime = LATER, keeping: Keep = SHORT, limit: int = 500) -> dict[str, int]:
    """What went, by table; the items of attempts are not asked for."""
    gone, after, steps = Counter[str](), None, 0
    while True:
        pruned = await store.prune(keeping, now, after, limit)
        assert sum(pruned.gone.values()) <= limit + 1, (
            "small steps; the first event and the end of an incident together"
        )
        gone.update(pruned.gone)
        after, steps = pruned.after, steps + 1
        if after is None:
            return dict(gone)
        assert steps < 1000, "a round comes to an end"


async def back(store: Any, seconds: float, *slugs: str) -> None:
    """They are heard again, which is told to nobody."""
    await store.record([Beat(slug, at(seconds)) for slug in slugs], at(seconds))
    await store.settle(by_rule(), at(seconds))
    for slug in slugs:
        assert (await standing(store, slug)).liveness.status is Status.ONLINE


async def gone_and_back(store: Any, seconds: float, *slugs: str) -> None:
    """An outage of a minute, of machines that are online."""
    for slug in slugs:
        await store.order(slug, Watch(), lambda case: move(case, Status.OFFLINE), at(seconds))
    await back(store, seconds + 60, *slugs)


async def told(store: Any, channel: str, seconds: float) -> None:
    """What waits for this channel is delivered, each on its own."""
    attempts = await take(store, [channel], seconds)
    assert attempts
    for attempt in attempts:
        assert await done(store, attempt, [channel], seconds + 1)


class RetentionSuite(StoreSuiteBase):
    async def two_incidents(self, store: Any) -> None:
        """Of `pump`: one that somebody was told of, and a day after it one that nobody was."""
        ops, _ = await self.channels(store)
        await offline(store, "pump", channels=[ops])
        await told(store, ops, 200)
        await back(store, 300, "pump")
        await gone_and_back(store, DAY, "pump")

    async def test_an_incident_goes_whole_when_all_of_it_is_old(self) -> None:
        self.needs("retention")
        async with self.opened() as store:
            await self.two_incidents(store)
            gone = await a_round(store, keeping=replace(SHORT, attempts=None))
            assert gone == {"events": 3, "outages": 1, "notifications": 1}
            assert (await a_round(store)).keys() <= {"delivery_attempts"}
            assert await a_round(store) == {}

    async def test_what_is_younger_than_the_limit_stays(self) -> None:
        self.needs("retention")
        async with self.opened() as store:
            await self.two_incidents(store)
            assert await a_round(store, at(99 * DAY)) == {}

    async def test_for_ever_is_for_ever(self) -> None:
        self.needs("retention")
        async with self.opened() as store:
            await offline(store, "pump")
            await back(store, 300, "pump")
            await gone_and_back(store, DAY, "pump")
            assert await a_round(store, keeping=Keep(None, None, None, None)) == {}

    async def test_an_outage_that_lasts_for_years_stays_whole_and_its_end_is_told(self) -> None:
        self.needs("retention")
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            await told(store, ops, 200)
            assert "notifications" not in await a_round(store)
            kept = await standing(store, "pump")
            assert kept.outage is not None
            heard: list[frozenset[str]] = []

            def recovers(case: Any) -> Verdict:
                heard.append(case.told)
                return move(case, Status.ONLINE, channels=sorted(case.told))

            await store.record([Beat("pump", LATER)], LATER)
            (event,) = await store.settle(recovers, LATER)
            assert heard == [frozenset([ops])], "it is known who was told of it"
            assert event.incident == kept.liveness.incident
            (attempt,) = await take(store, [ops], 400 * DAY)
            (delivery,) = attempt.deliveries
            assert delivery.outage is not None
            assert delivery.outage.started_at == kept.outage.started_at

    async def test_an_incident_that_somebody_is_still_to_be_told_of_stays(self) -> None:
        self.needs("retention")
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            await back(store, 300, "pump")
            await gone_and_back(store, DAY, "pump")
            assert await a_round(store) == {"events": 1}, "the one of no incident"
            await told(store, ops, 400)
            assert (await a_round(store))["events"] == 2

    async def test_what_an_attempt_contained_is_tried_again_together_though_the_attempt_is_old(self) -> None:
        for capability in ("retention", "history"):
            self.needs(capability)
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "m1", "m2", "m3", channels=[ops])
            (attempt,) = await take(store, [ops], 200, batch=3)
            assert len(attempt.deliveries) == 3
            assert await store.finish(lease([ops]), attempt, BUSY, again(at(230)), at(201))
            keeping = Keep(None, timedelta(hours=1), None, None)
            assert await a_round(store, at(2 * DAY), keeping) == {}
            (once_more,) = await take(store, [ops], 2 * DAY, batch=1)
            assert uids([once_more]) == uids([attempt])
            assert await done(store, once_more, [ops], 2 * DAY + 1)
            went = await a_round(store, at(4 * DAY), keeping)
            assert went == {"delivery_attempts": 1}, "the one that delivered stays as long as the incident lasts"

    async def test_of_a_machine_that_was_removed_everything_goes(self) -> None:
        self.needs("retention")
        async with self.opened() as store:
            await offline(store, "pump")

            def removed(case: Any) -> Verdict:
                return replace(move(case, Status.ONLINE), removed=True)

            await store.order("pump", Forget(), removed, at(300))
            assert (await a_round(store))["events"] == 3
            assert await a_round(store) == {}

    @pytest.mark.parametrize("limit", [1, 2, 3])
    async def test_a_round_in_the_smallest_steps_comes_to_the_same(self, limit: int) -> None:
        self.needs("retention")
        async with self.opened() as store:
            ops, pager = await self.channels(store)
            await offline(store, "m1", "m2", channels=[ops, pager])
            for channel in (ops, pager):
                await told(store, channel, 200)
            await back(store, 300, "m1", "m2")
            await gone_and_back(store, DAY, "m1", "m2")
            gone = await a_round(store, keeping=replace(SHORT, attempts=None), limit=limit)
            assert gone == {"events": 6, "outages": 2, "notifications": 4}

    async def test_a_signal_that_no_decision_has_seen_is_never_old(self) -> None:
        self.needs("retention")
        async with self.opened() as store:
            await offline(store, "pump")
            await store.record([Beat("pump", at(300), said=Said.ERROR)], at(300))
            await a_round(store)
            seen: list[int] = []

            def looks(case: Any) -> Verdict:
                seen.append(len(case.signals))
                return keep(case)

            await store.settle(looks, LATER)
            assert seen == [1]
