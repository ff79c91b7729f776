"""The connection is lost at a COMMIT: it may have happened or not, whoever asked is told so, and asking again is right
in both cases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.model import Beat, Delivered, Pause, Status
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import admit_all, at, by_rule, delivered, move
from lastseen.testing.suite_base import offline, online, standing
from tests.servers.line import Cut, Line, line_to
from tests.storage.postgres.stage import Stage, node
from tests.storage.postgres.test_lanes import its_lane, uids

BOTH = pytest.mark.parametrize("cut", list(Cut), ids=lambda cut: cut.value)
IN_DOUBT = "it may have happened or not"
RULE = by_rule()


@pytest.fixture
async def far(stage: Stage) -> AsyncIterator[tuple[SqlStore, Line]]:
    """A node behind a line that can be cut; the nodes of the stage are not behind it."""
    async with line_to(stage.url) as (line, url):
        store = node(url)
        await store.open()
        yield store, line
        await store.close()


Far = tuple[SqlStore, Line]


@BOTH
async def test_a_heartbeat(stage: Stage, far: Far, cut: Cut) -> None:
    store, line = far
    await offline(store, "pump")
    line.cut_at_commit(cut)
    with pytest.raises(StoreUnavailable, match=IN_DOUBT):
        await store.record([Beat("pump", at(210))], at(210))
    row = (await standing(stage.nodes[0], "pump")).liveness
    assert row.back_at == (at(210) if cut is Cut.AFTER else None)
    assert (await store.record([Beat("pump", at(210))], at(211))).due
    row = (await standing(store, "pump")).liveness
    assert (row.back_at, row.last_seen) == (at(210), at(210))
    assert [event.type for event in await store.settle(RULE, at(211))] == ["machine.online"]


@BOTH
async def test_what_was_settled(stage: Stage, far: Far, cut: Cut) -> None:
    store, line = far
    ops = (await store.code_channel("ops", "ops", at(0))).uid
    await online(store, "pump", "fan")
    line.cut_at_commit(cut, 2)  # the first ends a look whether there is anything to do
    with pytest.raises(StoreUnavailable, match=IN_DOUBT):
        await store.settle(by_rule([ops]), at(200))
    found = stage.rows("SELECT count(*) FROM events WHERE type = 'machine.offline'")
    assert found == [(2 if cut is Cut.AFTER else 0,)]
    if cut is Cut.AFTER:
        assert list(await store.settle(by_rule([ops]), at(200))) == []
    else:
        assert len(await stage.until_settled(store, by_rule([ops]), at(200))) == 2
    assert stage.rows("SELECT count(*), count(DISTINCT machine_id) FROM outages") == [(2, 2)]
    assert stage.rows("SELECT count(*), count(DISTINCT event_id) FROM notifications") == [(2, 2)]


@BOTH
async def test_what_was_taken_is_taken_again_under_a_newer_token(stage: Stage, far: Far, cut: Cut) -> None:
    store, line = far
    ops = (await store.code_channel("ops", "ops", at(0))).uid
    await offline(store, "pump", channels=[ops])
    lane = await its_lane(store, "ops", "far", 200)
    line.cut_at_commit(cut)
    with pytest.raises(StoreUnavailable, match=IN_DOUBT):
        await store.take(lane, admit_all(), at(200), 100)
    newer = await its_lane(store, "ops", "far", 201)
    (attempt,) = await store.take(newer, admit_all(), at(201), 100)
    (row,) = stage.rows("SELECT state, attempts, lease_token FROM notifications")
    assert row == ("sending", 2 if cut is Cut.AFTER else 1, newer.token)
    lost = stage.rows("SELECT outcome FROM delivery_attempts WHERE finished_at IS NOT NULL")
    assert lost == ([("lost",)] if cut is Cut.AFTER else [])
    assert await store.finish(newer, attempt, Delivered("m"), delivered, at(202))


@BOTH
async def test_what_became_of_a_send_counts_once(stage: Stage, far: Far, cut: Cut) -> None:
    store, line = far
    ops = (await store.code_channel("ops", "ops", at(0))).uid
    await offline(store, "pump", channels=[ops])
    lane = await its_lane(store, "ops", "far", 200)
    (attempt,) = await store.take(lane, admit_all(), at(200), 100)
    line.cut_at_commit(cut)
    with pytest.raises(StoreUnavailable, match=IN_DOUBT):
        await store.finish(lane, attempt, Delivered("m"), delivered, at(201))
    assert await store.finish(lane, attempt, Delivered("m"), delivered, at(202)) is (cut is Cut.BEFORE)
    assert stage.rows("SELECT state, attempts FROM notifications") == [("delivered", 1)]
    assert stage.rows("SELECT outcome FROM delivery_attempts") == [("delivered",)]
    assert uids(await store.take(lane, admit_all(), at(300), 100)) == []


@BOTH
async def test_what_a_person_ordered(stage: Stage, far: Far, cut: Cut) -> None:
    store, line = far
    await online(store, "pump")
    line.cut_at_commit(cut)
    with pytest.raises(StoreUnavailable, match=IN_DOUBT):
        await store.order("pump", Pause(), lambda case: move(case, Status.PAUSED), at(10))
    status = (await standing(stage.nodes[0], "pump")).liveness.status
    assert status is (Status.PAUSED if cut is Cut.AFTER else Status.ONLINE)


@BOTH
async def test_a_lease_and_its_renewal(stage: Stage, far: Far, cut: Cut) -> None:
    store, line = far
    line.cut_at_commit(cut)
    with pytest.raises(StoreUnavailable, match=IN_DOUBT):
        await store.lease("ops", "far", timedelta(minutes=1), at(0))
    again = await store.lease("ops", "far", timedelta(minutes=1), at(1))
    assert again is not None
    assert again.token == (2 if cut is Cut.AFTER else 1)
    line.cut_at_commit(cut)
    with pytest.raises(StoreUnavailable, match=IN_DOUBT):
        await store.renew(again, timedelta(minutes=1), at(2))
    assert await store.renew(again, timedelta(minutes=1), at(3)) is not None


@BOTH
async def test_what_was_only_read_is_read_again(far: Far, cut: Cut) -> None:
    store, line = far
    await online(store, "pump")
    line.cut_at_commit(cut)
    assert await store.next_check() == at(120)
    assert line.cuts == 1


async def test_a_line_that_was_cut_between_two_calls_is_made_anew_and_nobody_notices(stage: Stage, far: Far) -> None:
    store, _ = far
    await online(store, "pump")
    stage.end_sessions("idle")
    await store.record([Beat("pump", at(1))], at(1))
    assert list(await store.settle(RULE, at(1))) == []
    assert (await standing(store, "pump")).liveness.last_seen == at(1)
