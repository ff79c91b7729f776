"""A heartbeat beside whatever else happens to the same machine: none is lost, and none makes a false alarm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from lastseen.model import Beat, Case, Forget, Kind, Pause, Said, Status, Verdict, Watch
from lastseen.storage import dialect_postgres
from lastseen.testing.script import at, by_rule, keep, move
from lastseen.testing.suite_base import declare, offline, online, standing
from tests.storage.postgres.stage import Stage

RULE = by_rule()


async def types(stage: Stage, slug: str = "pump") -> list[str]:
    query = "SELECT type FROM events JOIN machines ON machines.id = machine_id WHERE slug = %s ORDER BY seq"
    return [row[0] for row in stage.rows(query, slug)]


async def test_a_heartbeat_that_comes_while_its_machine_is_found_silent_is_its_recovery(stage: Stage) -> None:
    one, two = stage.nodes
    await online(one, "pump")
    pause = stage.pause()
    settling = stage.start(one.settle(pause.at(RULE), at(200)))
    await pause.reached()
    heard = stage.start(two.record([Beat("pump", at(201))], at(201)))
    await stage.waits()
    pause.go()
    assert [event.type for event in await settling] == ["machine.offline"]
    assert (await heard).due
    row = (await standing(two, "pump")).liveness
    assert (row.status, row.back_at, row.check_at) == (Status.OFFLINE, at(201), at(201))
    assert [event.type for event in await two.settle(RULE, at(201))] == ["machine.online"]
    assert await types(stage) == ["machine.online", "machine.offline", "machine.online"]


async def test_a_machine_that_is_just_being_heard_is_left_alone_and_the_others_are_not(stage: Stage) -> None:
    one, two = stage.nodes
    await online(one, "pump", "fan")
    pause, heard = await stage.before_commit(one, "record", one.record([Beat("pump", at(199))], at(199)))
    assert [event.machine for event in await two.settle(RULE, at(200))] == ["fan"], "it waits for nobody"
    pause.go()
    await heard
    assert list(await two.settle(RULE, at(200))) == []
    row = (await standing(two, "pump")).liveness
    assert (row.status, row.last_seen, row.check_at) == (Status.ONLINE, at(199), at(319))


async def test_a_recovery_that_is_not_committed_yet_is_decided_on_once_it_is(stage: Stage) -> None:
    one, two = stage.nodes
    await offline(one, "pump")
    pause, heard = await stage.before_commit(one, "record", one.record([Beat("pump", at(210))], at(210)))
    assert list(await two.settle(RULE, at(211))) == []
    pause.go()
    assert (await heard).due
    assert [event.type for event in await two.settle(RULE, at(211))] == ["machine.online"]


async def test_a_signal_that_comes_while_its_machine_is_decided_on_is_decided_on_next(stage: Stage) -> None:
    one, two = stage.nodes
    await online(one, "pump")
    pause, seen = stage.pause(), []

    def decide(case: Case) -> Verdict:
        seen.append([signal.said for signal in case.signals])
        return RULE(case)

    settling = stage.start(one.settle(pause.at(decide), at(200)))
    await pause.reached()
    told = stage.start(two.record([Beat("pump", at(201), Said.ERROR)], at(201)))
    await stage.waits()
    pause.go()
    await settling
    assert (await told).due
    await two.settle(decide, at(201))
    await one.settle(decide, at(1000))
    assert seen[:2] == [[], [Said.ERROR]]
    assert all(said == [] for said in seen[2:]), "once"


async def test_a_heartbeat_that_waits_while_its_machine_is_paused_is_written_down_and_decides_nothing(
    stage: Stage,
) -> None:
    one, two = stage.nodes
    await online(one, "pump")
    pause = stage.pause()
    pausing = stage.start(one.order("pump", Pause(), pause.at(lambda case: move(case, Status.PAUSED)), at(50)))
    await pause.reached()
    heard = stage.start(two.record([Beat("pump", at(51)), Beat("pump", at(51), Said.ERROR)], at(51)))
    await stage.waits()
    pause.go()
    await pausing
    assert not (await heard).due
    row = (await standing(one, "pump")).liveness
    assert (row.status, row.last_seen, row.check_at, row.back_at) == (Status.PAUSED, at(51), None, None)
    assert stage.rows("SELECT count(*) FROM reports") == [(0,)]


async def test_a_person_waits_for_a_heartbeat_and_decides_about_what_it_said(stage: Stage) -> None:
    one, two = stage.nodes
    await offline(one, "pump")
    pause, heard = await stage.before_commit(one, "record", one.record([Beat("pump", at(210))], at(210)))
    seen = []

    def decide(case: Case) -> Verdict:
        seen.append(case.standing.liveness.back_at)
        return RULE(case)

    ordered = stage.start(two.order("pump", Watch({"name": "Pump 1"}), decide, at(211)))
    await stage.waits()
    pause.go()
    await heard
    assert [event.type for event in await ordered] == ["machine.online"]
    assert seen == [at(210)]


async def test_a_heartbeat_of_a_machine_that_is_being_removed_is_nobodys(stage: Stage) -> None:
    one, two = stage.nodes
    await online(one, "pump")
    await one.record([Beat("pump", at(1))], at(1))
    await two.record([Beat("pump", at(2))], at(2))
    pause = stage.pause()
    going = stage.start(
        one.order("pump", Forget(), pause.at(lambda case: Verdict(case.standing.liveness, removed=True)), at(10))
    )
    await pause.reached()
    batch = [Beat("pump", at(11), body="{}"), Beat("pump", at(11), Said.ERROR, body="{}")]
    heard = stage.start(two.record(batch, at(11)))
    await stage.waits()
    pause.go()
    await going
    assert (await heard).unknown == {"pump"}
    assert stage.rows("SELECT (SELECT count(*) FROM reports), (SELECT count(*) FROM latest_reports)") == [(0, 0)]
    await one.order("pump", Watch(), keep, at(20))
    assert (await two.record([Beat("pump", at(21))], at(21))).unknown == frozenset(), "the new one of this name"
    assert (await standing(one, "pump")).liveness.last_seen == at(21)


async def test_what_was_read_of_a_name_before_it_went_to_another_machine_is_not_believed_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threads of a node that record share what they know of names."""
    one, two = stage.nodes
    await online(two, "pump")
    pause = stage.pause()

    def held(connection: Any, slugs: Sequence[str]) -> dict[str, int]:
        found = ids_of(connection, slugs)
        if not pause.is_reached:
            pause.here()
        return found

    ids_of = dialect_postgres.ids_of
    monkeypatch.setattr(dialect_postgres, "ids_of", held)
    early = stage.start(one.record([Beat("pump", at(1))], at(1)))
    await pause.reached()
    await two.order("pump", Forget(), lambda case: Verdict(case.standing.liveness, removed=True), at(2))
    await two.order("pump", Watch(), keep, at(3))
    assert (await one.record([Beat("pump", at(4))], at(4))).unknown == frozenset()
    pause.go()
    assert (await early).unknown == {"pump"}
    assert (await one.record([Beat("pump", at(5))], at(5))).unknown == frozenset()
    assert (await standing(two, "pump")).liveness.last_seen == at(5)


async def test_two_batches_of_the_same_machines_wait_and_never_for_each_other(stage: Stage) -> None:
    one, two = stage.nodes
    names = [f"m{number}" for number in range(60)]
    await online(one, *names)
    pause, first = await stage.before_commit(one, "record", one.record([Beat(n, at(60)) for n in names[20:]], at(60)))
    backwards = [Beat(name, at(61)) for name in reversed(names)]
    second = stage.start(two.record(backwards, at(61)))
    await stage.waits()
    pause.go()
    assert (await first).unknown == (await second).unknown == frozenset()
    known = await one.liveness(names)
    assert {row.liveness.last_seen for row in known.values()} == {at(61)}


async def test_an_older_heartbeat_that_had_to_wait_moves_nothing_back(stage: Stage) -> None:
    one, two = stage.nodes
    await online(one, "pump")
    pause, newer = await stage.before_commit(one, "record", one.record([Beat("pump", at(60))], at(60)))
    older = stage.start(two.record([Beat("pump", at(55), source=0)], at(61)))
    await stage.waits()
    pause.go()
    await newer
    await older
    assert (await standing(one, "pump")).liveness.last_seen == at(60)


@pytest.mark.parametrize("what", ["kind", "default"])
async def test_a_new_threshold_waits_for_whoever_decides_by_the_old_one_and_then_has_its_machines_looked_at(
    stage: Stage, what: str
) -> None:
    one, two = stage.nodes
    await online(one, "pump")
    await one.default_threshold(timedelta(minutes=2), at(0))
    pause, seen = stage.pause(), []

    def decide(case: Case) -> Verdict:
        seen.append(case.standing.kind.offline_after)
        return keep(case, at(10_000))

    settling = stage.start(one.settle(pause.at(decide), at(200)))
    await pause.reached()
    minute = timedelta(minutes=1)
    changed = stage.start(
        two.set_kind(Kind("default", minute), at(201)) if what == "kind" else two.default_threshold(minute, at(201))
    )
    await stage.waits(on="rules")
    pause.go()
    await settling
    await changed
    assert (await standing(one, "pump")).liveness.check_at == at(201), "not 10,000: that was by the old one"
    await two.settle(decide, at(201))
    assert seen == [None, minute if what == "kind" else None]


@pytest.mark.parametrize("what", ["kind", "default"])
async def test_whoever_decides_waits_for_a_new_threshold_and_decides_by_it(stage: Stage, what: str) -> None:
    one, two = stage.nodes
    await online(one, "pump")
    await one.default_threshold(timedelta(minutes=2), at(0))
    minute, seen = timedelta(minutes=1), []

    def decide(case: Case) -> Verdict:
        seen.append(case.standing.kind.offline_after)
        return keep(case, at(10_000))

    doing = one.set_kind(Kind("default", minute), at(199)) if what == "kind" else one.default_threshold(minute, at(199))
    pause, changed = await stage.before_commit(one, "write", doing)
    settling = stage.start(two.settle(decide, at(200)))
    await stage.waits(on="rules")
    pause.go()
    await changed
    await settling
    assert seen == [minute if what == "kind" else None]
    assert (await standing(one, "pump")).liveness.check_at == at(10_000)


async def test_a_new_threshold_and_a_heartbeat_of_the_same_machine_both_count(stage: Stage) -> None:
    one, two = stage.nodes
    names = ["fan", "pump"]
    await online(one, *names)
    pause, heard = await stage.before_commit(one, "record", one.record([Beat("pump", at(60))], at(60)))
    changed = stage.start(two.set_kind(Kind("default", timedelta(minutes=1)), at(61)))
    await stage.waits()
    again = stage.start(one.record([Beat("fan", at(62)), Beat("pump", at(62))], at(62)))
    pause.go()
    await heard
    await changed
    await again
    known = await one.liveness(names)
    assert {row.liveness.last_seen for row in known.values()} == {at(62)}
    assert {row.liveness.check_at for row in known.values()} == {at(61)}


async def test_of_two_nodes_that_declare_the_same_machine_one_makes_it(stage: Stage) -> None:
    one, two = stage.nodes
    pause = stage.pause()
    first = stage.start(one.order("pump", Watch({"name": "first"}), pause.at(keep), at(0)))
    await pause.reached()
    second = stage.start(two.order("pump", Watch({"name": "second"}), keep, at(1)))
    await stage.waits(on="rules")
    pause.go()
    await first
    await second
    assert stage.rows("SELECT slug, name FROM machines") == [("pump", "second")]
    await declare(two, "fan")
