"""Recording in SQL is the same as the pure function that says what recording is."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lastseen.errors import InvalidInput
from lastseen.model import SIGNALS, Beat, Case, Forget, Liveness, Said, Status, Verdict, Watch, replace
from lastseen.storage import open_store
from lastseen.storage.fold import absorb
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import at, keep, move
from lastseen.testing.suite_base import declare, online, standing
from tests.fresh import new_database

SLUGS = ("a", "b", "c", "d", "e")
STATUSES = list(Status)


def a_store(folder: Path, name: str = "store.db") -> SqlStore:
    store = open_store(new_database(folder / name))
    assert isinstance(store, SqlStore)
    return store


beats = st.builds(
    Beat,
    st.sampled_from(SLUGS),
    st.integers(100, 130).map(at),
    st.sampled_from(Said),
    st.sampled_from((0, 0, 0, 1, 2)),
    st.sampled_from((None, '{"message":"x"}', '{"ä":"\\u0000\\n\\""}')),
    next_in=st.sampled_from((None, None, 5.0, 60.5)),
    run=st.sampled_from((None, "r1")),
    exit_code=st.sampled_from((None, 0, 2)),
)
plain = st.builds(Beat, st.sampled_from(SLUGS), st.integers(100, 130).map(at))
batches = st.lists(st.lists(st.one_of(plain, beats), max_size=12), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(statuses=st.lists(st.sampled_from(STATUSES), min_size=5, max_size=5), given_batches=batches)
def test_sql_and_absorb_agree_on_any_sequence_of_beats(statuses: list[Status], given_batches: list[list[Beat]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_compare(Path(folder), statuses, given_batches))


async def _compare(folder: Path, statuses: list[Status], given_batches: list[list[Beat]]) -> None:
    store = a_store(folder)
    await store.open()
    try:
        for source in ("one", "two"):
            await store.listen(source, "node", at(0))
        expected: dict[str, Liveness] = {}
        for slug, status in zip(SLUGS, statuses, strict=True):
            await store.order(slug, Watch(), _become(status), at(0))
            expected[slug] = (await standing(store, slug)).liveness
        pending: list[tuple[str, Said]] = []
        order: list[tuple[datetime, str, Said]] = []
        for number, batch in enumerate(given_batches):
            now = at(200 + number)
            recorded = await store.record(batch, now)
            signals = False
            calm = {slug for slug in SLUGS if _is_calm(slug, batch, expected, pending)}
            for beat in batch:
                slug = str(beat.machine)
                if slug in calm and beat.said is Said.OK:
                    beat = replace(beat, said=Said.ALIVE)  # nothing is to be decided about it
                expected[slug], signal = absorb(expected[slug], beat, now)
                signals |= signal
                pending += [(slug, beat.said)] if signal else []
                order += [(beat.at, slug, beat.said)] if signal else []
            known = await store.liveness(SLUGS)
            assert {slug: known[slug].liveness for slug in SLUGS} == expected
            assert recorded.unknown == frozenset()
            assert recorded.due or not signals
        seen: list[tuple[str, Said]] = []

        def decide(case: Case) -> Verdict:
            seen.extend((case.standing.machine.slug, signal.said) for signal in case.signals)
            return keep(case)

        await store.settle(decide, at(10_000))
        assert sorted(seen) == sorted(pending)
        for slug in SLUGS:
            in_time = sorted((when, n, said) for n, (when, who, said) in enumerate(order) if who == slug)
            assert [s for who, s in seen if who == slug] == [said for _, _, said in in_time]
    finally:
        await store.close()


def _is_calm(slug: str, batch: list[Beat], known: dict[str, Liveness], pending: list[tuple[str, Said]]) -> bool:
    """Only successes are told of it, which change nothing."""
    said = {beat.said for beat in batch if beat.machine == slug}
    waits = known[slug].goodbye_at is not None or slug in {who for who, _ in pending}
    return known[slug].status is Status.ONLINE and not waits and not said & (SIGNALS - {Said.OK})


def _become(status: Status):  # type: ignore[no-untyped-def]
    def decide(case: Case) -> Verdict:
        check_at = at(500) if status in (Status.ONLINE, Status.ERROR) else None
        return keep(case) if status is Status.PROVISIONING else move(case, status, check_at)

    return decide


async def test_a_success_that_changes_nothing_wants_no_decision(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    await store.open()
    await online(store, "pump")
    await online(store, "backup")
    await store.order("backup", Watch({"kind": "job"}), keep, at(1))
    ok = Said.OK
    assert not (
        await store.record([Beat("pump", at(5), ok), Beat("pump", at(6), ok, body='{"output":"x"}')], at(6))
    ).due
    assert (await store.record([Beat("backup", at(5), ok)], at(6))).due
    assert (await store.record([Beat("pump", at(7), Said.ERROR), Beat("pump", at(8), ok)], at(8))).due
    assert (await store.record([Beat("pump", at(9), ok)], at(9))).due
    assert (await standing(store, "pump")).liveness.last_seen == at(9)
    await store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        rows = connection.execute("SELECT machine_id, kind, body, pending FROM reports ORDER BY id").fetchall()
    assert rows == [
        (1, "ok", '{"output":"x"}', 0),
        (2, "ok", None, 1),
        (1, "error", None, 1),
        (1, "ok", None, 1),
        (1, "ok", None, 1),
    ]


async def test_the_newest_body_is_the_latest_report(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    await store.open()
    await online(store, "pump")
    await store.record([Beat("pump", at(5), body='{"n":1}'), Beat("pump", at(9), body='{"n":2}')], at(9))
    await store.record([Beat("pump", at(7), Said.NOTE, body='{"n":3}'), Beat("pump", at(20))], at(20))
    await store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        rows = connection.execute("SELECT at, body FROM latest_reports").fetchall()
    assert rows == [("2026-03-01 12:00:09.000000", '{"n":2}')]


async def test_a_machine_that_another_process_removed_and_made_again_is_found_by_its_new_id(tmp_path: Path) -> None:
    here, there = a_store(tmp_path), a_store(tmp_path)
    await here.open()
    await there.open()
    (before,) = await online(here, "pump")
    await here.record([Beat("pump", at(5))], at(5))

    def removed(case: Case) -> Verdict:
        return Verdict(move(case, Status.PAUSED).liveness, removed=True)

    await there.order("pump", Forget(), removed, at(6))
    assert (await here.record([Beat("pump", at(7)), Beat(before.machine.id, at(7))], at(7))).unknown == {
        "pump",
        before.machine.id,
    }
    await declare(there, "pump")
    assert (await here.record([Beat("pump", at(8))], at(8))).unknown == frozenset()
    after = await standing(here, "pump")
    assert after.machine.id != before.machine.id
    assert after.liveness.last_seen == at(8)
    await here.close()
    await there.close()


async def test_more_slugs_than_are_remembered_are_still_right(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store._slugs._size = 3
    await store.open()
    slugs = [f"m{i}" for i in range(8)]
    await online(store, *slugs)
    for start in range(0, 8, 2):
        await store.record([Beat(slug, at(50 + start)) for slug in slugs[start : start + 4]], at(60))
    known = await store.liveness(slugs)
    assert [known[s].liveness.last_seen for s in slugs] == [at(50 + min(i // 2 * 2, 6)) for i in range(8)]
    await store.close()


async def test_a_text_that_no_database_can_hold_changes_nothing(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    await store.open()
    (before,) = await online(store, "pump")
    with pytest.raises(InvalidInput, match="half of a surrogate pair"):
        await store.record([Beat("pump", at(9)), Beat("pump", at(9), body='{"x":"\ud800"}')], at(9))
    assert await standing(store, "pump") == before
    await store.record([Beat("pump", at(9))], at(9))
    await store.close()
