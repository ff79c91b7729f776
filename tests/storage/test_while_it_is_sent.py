"""What happens to a channel while something is sent on it, and what the end of a send does for all that wait."""

from __future__ import annotations

from typing import Any

from lastseen.model import Aftermath, Delivered, Outcome, Retry, Scope, Sent
from lastseen.notifiers.retry import SCHEDULES, follow
from lastseen.testing.script import at, lease
from lastseen.testing.suite_base import offline
from lastseen.testing.suite_outbox import BUSY, take


def plan(sent: Sent) -> Aftermath:
    return follow(sent, SCHEDULES["webhook"], 0.0)


async def told(store: Any) -> list[tuple[str, str | None]]:
    """How each notification stands, and why; the newest first."""
    return [(row["state"], row["reason"]) for row in await store.notifications()]


async def ends(store: Any, channel: str, attempt: Any, outcome: Outcome, seconds: float) -> None:
    assert await store.finish(lease([channel]), attempt, outcome, plan, at(seconds))


async def test_what_fails_after_its_channel_was_switched_off_does_not_wait_for_ever(store: Any) -> None:
    ops = (await store.code_channel("ops", "lane", at(0))).uid
    await offline(store, "pump", channels=[ops])
    (attempt,) = await take(store, [ops], 200)
    await store.switch_channel(ops, False, "moving house", at(201))
    await ends(store, ops, attempt, BUSY, 202)
    assert await told(store) == [("cancelled", "channel disabled: moving house")]
    assert await store.next_due() is None


async def test_what_is_delivered_after_its_channel_was_switched_off_is_delivered(store: Any) -> None:
    ops = (await store.code_channel("ops", "lane", at(0))).uid
    await offline(store, "pump", channels=[ops])
    (attempt,) = await take(store, [ops], 200)
    await store.switch_channel(ops, False, "moving house", at(201))
    await ends(store, ops, attempt, Delivered(), 202)
    assert await told(store) == [("delivered", None)]


async def test_a_success_makes_due_what_waits_and_leaves_what_is_due_its_place(store: Any) -> None:
    ops = (await store.code_channel("ops", "lane", at(0))).uid
    await offline(store, "m1", "m2", "m3", channels=[ops])
    one, two = await take(store, [ops], 200, limit=2)
    for attempt in (one, two):
        await ends(store, ops, attempt, BUSY, 201)  # each waits now, and the channel rests; the third is due since 200
    (probe,) = await take(store, [ops], 260)
    await ends(store, ops, probe, Delivered(), 261)
    assert len(await take(store, [ops], 261)) == 2, "both are due: the one that failed, and the one that waited"


async def test_after_a_success_the_one_that_was_due_first_is_still_first(store: Any) -> None:
    ops = (await store.code_channel("ops", "lane", at(0))).uid
    await offline(store, "m1", "m2", "m3", channels=[ops])
    (first,) = await take(store, [ops], 200, limit=1)
    await ends(store, ops, first, BUSY, 201)
    (probe,) = await take(store, [ops], 260)
    await ends(store, ops, probe, Delivered(), 261)
    assert await store.next_due() == at(200)


async def test_trouble_of_a_whole_lane_rests_all_its_channels_and_no_others(store: Any) -> None:
    chats = [(await store.code_channel(name, "bot", at(0))).uid for name in ("ops", "family")]
    other = (await store.code_channel("other", "another bot", at(0))).uid
    await offline(store, "pump", channels=[*chats, other])
    (attempt,) = await take(store, chats, 200, limit=1)
    await ends(store, chats[0], attempt, Retry("the bot's token is wrong", Scope.LANE), 201)
    assert await take(store, chats, 202) == []
    assert len(await take(store, [other], 202)) == 1


async def test_trouble_of_one_channel_leaves_its_lane_to_the_others(store: Any) -> None:
    chats = [(await store.code_channel(name, "bot", at(0))).uid for name in ("ops", "family")]
    await offline(store, "pump", channels=chats)
    (attempt,) = await take(store, chats, 200, limit=1)
    await ends(store, chats[0], attempt, Retry("the chat is away"), 201)
    assert [one.channel for one in await take(store, chats, 202)] == [chats[1]]
