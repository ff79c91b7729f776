"""With PostgreSQL ids of events are no order of commits: whoever follows is given what comes late, and waits for nobody
who is not about to write."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg

from lastseen.model.seen import Seen
from lastseen.storage.sql_follow import BACK
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online
from lastseen.testing.suite_following import since
from tests.storage.postgres.stage import Pause, Stage

RULE = by_rule()
LATE = (
    "INSERT INTO events (uid, type, severity, at, reason, snapshot) VALUES (%s, 'system.test', 'info', now(), '', '{}')"
)


def machines(events: list[Any]) -> set[str]:
    return {event["machine"] for event in events}


async def under_way(stage: Stage, held: int, others: int) -> tuple[Seen, Pause, asyncio.Task[Any], set[str | None]]:
    """So many machines are decided on by one node, which does not commit, and then others by the other, which does:
    the position before, what holds it up, the first node's events to come, and whose the others are."""
    one, two = stage.nodes
    await online(one, *(f"m{number}" for number in range(held + others)))
    start = await two.seen_all()
    pause, settling = await stage.before_commit(one, "write_beside", one.settle(RULE, at(200), held))
    return start, pause, settling, {event.machine for event in await two.settle(RULE, at(200), others)}


async def test_what_a_node_commits_after_later_events_of_another_is_given_once(stage: Stage) -> None:
    one, two = stage.nodes
    start, pause, settling, others = await under_way(stage, 4, 4)
    first, seen = await since(two, start)
    assert machines(first) == others
    assert len(seen.gaps) == 1, "four ids were given to somebody who has not committed"
    assert (await since(two, seen)) == ([], seen), "nothing is given up while they are under way"
    pause.go()
    mine = {event.machine for event in await settling}
    again = Seen.read(seen.text)  # of a node that knows nothing but the text
    late, seen = await since(two, seen)
    assert machines(late) == mine
    assert (await since(one, again))[0] == late
    assert (await since(two, seen)) == ([], Seen(seen.top)), "the gap is closed"


async def test_who_begins_meanwhile_is_given_what_was_under_way(stage: Stage) -> None:
    one, two = stage.nodes
    await online(one, "m0", "m1")
    pause, settling = await stage.before_commit(one, "write_beside", one.settle(RULE, at(200), 1))
    await two.settle(RULE, at(200), 1)
    start = await two.seen_all()
    pause.go()
    (mine,) = await settling
    late, _ = await since(two, start)
    assert [event["uid"] for event in late] == [mine.uid]


async def test_what_was_rolled_back_is_given_up(stage: Stage) -> None:
    one, two = stage.nodes
    await online(one, "m0", "m1")
    start = await two.seen_all()
    with psycopg.connect(stage.url) as connection:
        connection.execute(LATE, ["lost"])
        (event,) = await two.settle(RULE, at(200), 1)
        connection.rollback()
    found, seen = await since(two, start)
    assert [one["uid"] for one in found] == [event.uid]
    assert seen.gaps, "nobody knows yet what became of it"
    assert (await since(two, seen)) == ([], Seen(seen.top))


async def test_a_transaction_that_only_reads_or_began_later_keeps_no_gap_open(stage: Stage) -> None:
    one, two = stage.nodes
    await online(one, "m0", "m1")
    start = await two.seen_all()
    with psycopg.connect(stage.url) as lost, psycopg.connect(stage.url) as reading:
        reading.execute("SELECT count(*) FROM events")
        lost.execute(LATE, ["lost"])
        await two.settle(RULE, at(200), 1)
        lost.rollback()
        found, seen = await since(two, start)
        assert (len(found), len(seen.gaps)) == (1, 1)
        with psycopg.connect(stage.url) as later:
            later.execute("SELECT pg_current_xact_id()")
            assert (await since(two, seen)) == ([], Seen(seen.top))


async def test_within_a_position_its_gaps_stay_gaps(stage: Stage) -> None:
    """As whoever resumes reads up to where the others are."""
    _, two = stage.nodes
    start, pause, settling, _ = await under_way(stage, 3, 3)
    _, there = await since(two, start)
    sequel = await two.sequel(start, 500, there)
    assert (len(sequel.events), sequel.seen, sequel.more) == (3, there, False)
    part = await two.sequel(start, 2, there)
    assert (len(part.events), part.seen.top, part.more) == (2, there.top - 1, True)
    pause.go()
    mine = [event.uid for event in await settling]
    late = await two.sequel(sequel.seen, 500, there)
    assert [one.event["uid"] for one in late.events] == mine
    assert late.seen == Seen(there.top)


async def test_what_was_a_gap_there_and_is_committed_by_now_is_given_once(stage: Stage) -> None:
    _, two = stage.nodes
    start, pause, settling, _ = await under_way(stage, 3, 3)
    _, there = await since(two, start)
    pause.go()
    await settling
    sequel = await two.sequel(start, 500, there)
    assert (len(sequel.events), sequel.seen) == (6, Seen(there.top))


async def test_many_late_events_come_in_pages(stage: Stage) -> None:
    _, two = stage.nodes
    start, pause, settling, _ = await under_way(stage, 8, 1)
    _, seen = await since(two, start)
    pause.go()
    mine = [event.uid for event in await settling]
    for size in (1, 3, 8, 9):
        late, _ = await since(two, seen, size)
        assert [event["uid"] for event in late] == mine


async def test_the_first_position_knows_the_newest_gaps_alone(stage: Stage) -> None:
    one, _ = stage.nodes
    with psycopg.connect(stage.url, autocommit=True) as connection:
        connection.execute("SELECT setval(pg_get_serial_sequence('events', 'id'), %s)", [3 * BACK])
        connection.execute(LATE, ["far"])
    seen = await one.seen_all()
    assert seen.top == 3 * BACK + 1
    assert [(gap.first, gap.last) for gap in seen.gaps] == [(2 * BACK + 2, 3 * BACK)]
    assert (await since(one, seen)) == ([], Seen(seen.top))
