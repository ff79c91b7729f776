"""Two nodes that settle at once: each machine is decided on once, and nobody waits."""

from __future__ import annotations

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.model import Beat, Case, Event, Verdict
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online
from tests.storage.postgres.stage import Stage

RULE = by_rule()


async def test_what_one_node_decides_on_another_leaves_to_it(stage: Stage) -> None:
    one, two = stage.nodes
    names = [f"m{number}" for number in range(30)]
    await online(one, *names)
    pause = stage.pause()
    first = stage.start(one.settle(pause.at(RULE), at(200), 10))
    await pause.reached()
    others = list(await two.settle(RULE, at(200), 500))
    pause.go()
    mine = list(await first)
    assert (len(mine), len(others)) == (10, 20)
    assert len({event.uid for event in (*mine, *others)}) == 30
    assert stage.rows("SELECT count(*), count(DISTINCT machine_id) FROM outages WHERE ended_at IS NULL") == [(30, 30)]


async def test_what_one_node_has_decided_but_not_committed_is_not_decided_again(stage: Stage) -> None:
    one, two = stage.nodes
    await online(one, "pump")
    pause, first = await stage.before_commit(one, "write_beside", one.settle(RULE, at(200)))
    assert list(await two.settle(RULE, at(200))) == []
    pause.go()
    assert len(await first) == 1
    assert list(await two.settle(RULE, at(200))) == []
    assert stage.rows("SELECT seq FROM events ORDER BY seq") == [(1,), (2,)]


async def test_of_a_node_that_dies_while_it_settles_nothing_is_left_and_another_decides(stage: Stage) -> None:
    one, two = stage.nodes
    await online(one, "pump")
    pause, first = await stage.before_commit(one, "write_beside", one.settle(RULE, at(200)))
    stage.end_sessions("idle in transaction")
    assert [event.type for event in await stage.until_settled(two, RULE, at(200))] == ["machine.offline"]
    pause.go()
    with pytest.raises(StoreUnavailable, match="it may have happened or not"):
        await first
    assert stage.rows("SELECT seq FROM events ORDER BY seq") == [(1,), (2,)]


async def test_one_that_cannot_be_decided_while_another_node_settles_stops_neither(stage: Stage) -> None:
    one, two = stage.nodes
    names = [f"m{number}" for number in range(6)]
    await online(one, *names)

    def decide(case: Case) -> Verdict:
        if case.standing.machine.slug == "m2":
            raise ValueError("odd")
        return RULE(case)

    pause = stage.pause()
    first = stage.start(one.settle(pause.at(decide), at(200), 3))
    await pause.reached()
    second = list(await two.settle(decide, at(200), 3))
    pause.go()
    events: list[Event] = [*second, *(await first)]
    assert sorted(str(event.machine) for event in events) == ["m0", "m1", "m3", "m4", "m5"]
    await one.record([Beat("m2", at(201))], at(201))
    assert list(await two.settle(decide, at(200))) == []
