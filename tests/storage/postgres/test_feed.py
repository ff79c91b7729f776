"""Events are numbered before they are committed: of two nodes that decide at once the later number may come first."""

from __future__ import annotations

from lastseen.monitor.feed import WINDOW, Feed
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online
from tests.storage.postgres.stage import Stage

RULE = by_rule()
MANY = WINDOW + 50


async def test_what_a_node_commits_after_many_later_events_of_another_is_news_too(stage: Stage) -> None:
    one, two = stage.nodes
    slugs = [f"m-{number:03}" for number in range(2 * MANY)]
    await online(one, *slugs)
    feed = Feed(one)
    await feed.begin()
    pause, settling = await stage.before_commit(one, "write_beside", one.settle(RULE, at(200), MANY))
    others = {event.machine for event in await two.settle(RULE, at(200), MANY)}
    assert len(others) == MANY
    first = await feed.news()
    pause.go()
    mine = {event.machine for event in await settling}
    assert len(mine) == MANY
    second = await feed.news()
    assert first is not None
    assert second is not None
    assert {standing.machine.slug for standing in first.standings} == others
    assert mine <= {standing.machine.slug for standing in second.standings}
