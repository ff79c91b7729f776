"""A source is blind while no node hears it: what one node says of its link, by what the others have written."""

from __future__ import annotations

from typing import Any

from lastseen.model import BlindPeriod, BlindReason
from lastseen.testing.script import at


async def hears(store: Any, source: int, node: str, *seconds: float) -> None:
    for second in seconds:
        await store.mark(source, node, at(second))


async def cannot_hear(store: Any, source: int, node: str, since: float, seconds: float) -> None:
    """What a node says each time while its link is lost: with the mark of its own."""
    own, _ = await store.listen("http", node, at(seconds))
    await store.mark(own, node, at(seconds), [BlindPeriod(source, at(since), None, BlindReason.LINK)])


async def test_while_another_node_hears_a_lost_link_blinds_nobody(store: Any) -> None:
    source, _ = await store.listen("broker", "a", at(0))
    await hears(store, source, "a", 1, 50, 99)
    await store.listen("broker", "b", at(50))
    await hears(store, source, "b", 51)
    await cannot_hear(store, source, "b", 60, 100)
    assert await store.blind_since(source) is None


async def test_a_node_that_has_just_begun_believes_no_mark_and_takes_that_back_when_it_does(store: Any) -> None:
    source, _ = await store.listen("broker", "a", at(0))
    await hears(store, source, "a", 1, 98)
    await store.listen("broker", "b", at(100))
    await cannot_hear(store, source, "b", 100, 101)
    assert await store.blind_since(source) == at(100), "a may have been killed with b's predecessor"
    await hears(store, source, "a", 103, 108, 113)
    await cannot_hear(store, source, "b", 100, 114)
    assert await store.blind_since(source) is None


async def test_when_the_last_one_that_heard_is_gone_it_is_blind_since_then(store: Any) -> None:
    source, _ = await store.listen("broker", "a", at(0))
    await hears(store, source, "a", 1, 50, 100)
    await store.listen("broker", "b", at(50))
    await hears(store, source, "b", 51)
    await cannot_hear(store, source, "b", 60, 100)
    assert await store.blind_since(source) is None
    await cannot_hear(store, source, "b", 60, 120)
    assert await store.blind_since(source) == at(100)
