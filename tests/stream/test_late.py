"""Who follows on PostgreSQL while a transaction with a smaller id is still under way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lastseen.model.seen import Seen
from lastseen.monitor import live as module
from lastseen.monitor.live import Follower
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online
from tests.storage.postgres.conftest import stage
from tests.storage.postgres.stage import Stage
from tests.stream.lives import Frame, lives_on

__all__ = ["stage"]

RULE = by_rule()


async def uids(follower: Follower[Frame], count: int) -> Sequence[str]:
    found: list[str] = []
    while len(found) < count:
        found += [one.frame[1]["uid"] for one in await follower.next() or ()]
    return found


async def test_what_was_under_way_is_told_to_whoever_follows_or_goes_on_from_a_plain_id(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id of an event as a list of events has it says nothing of what was not committed when it was read."""
    monkeypatch.setattr(module, "POLL", 0.01)
    one, two = stage.nodes
    await online(one, *(f"m{number}" for number in range(4)))
    async with lives_on(two) as live:
        early = live.follow()
        await early.next()
        pause, settling = await stage.before_commit(one, "write_beside", one.settle(RULE, at(200), 2))
        committed = [event.uid for event in await two.settle(RULE, at(200), 2)]
        assert await uids(early, 2) == committed
        newest = (await two.events(limit=1))[0]["id"]
        resumed, new = live.follow(Seen.read(str(newest))), live.follow()
        for follower in (resumed, new):
            while not follower.up_to_date:
                assert not await follower.next()
        pause.go()
        late = [event.uid for event in await settling]
        for follower in (early, resumed, new):
            assert await uids(follower, 2) == late
