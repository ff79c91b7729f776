"""What is counted, and what it may cost."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import event

from lastseen import counters
from lastseen.clock import SystemClock
from lastseen.counters import Counter, Histogram
from lastseen.errors import Busy, Conflict, StoreUnavailable, UnknownMachine
from lastseen.model import Beat, Message, Rejected
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.storage.sql_insight import gauges
from lastseen.storage.sqlite import reader_engine
from lastseen.testing import FakeClock
from tests.monitor.recording import Gate, recording
from tests.server.conftest import Served
from tests.support import eventually


def test_threads_that_count_together_lose_nothing() -> None:
    counter, histogram = Counter("c", "", ("who",)), Histogram("h", "", (1, 2))

    def work() -> None:
        for _ in range(5000):
            counter.inc("me")
            histogram.observe(1.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.values() == {("me",): 20_000}
    assert histogram.values()[()].counts == [0, 20_000, 0]


def test_a_value_on_a_bound_is_in_its_bucket_and_none_is_below_zero() -> None:
    histogram = Histogram("h", "", (1, 2))
    for value in (-5, 1, 1.01, 2, 3):
        histogram.observe(value)
    spread = histogram.values()[()]
    assert (spread.counts, spread.sum) == ([2, 2, 1], 7.01)


def test_a_reading_is_a_copy() -> None:
    histogram = Histogram("h", "", (1,))
    before = histogram.values()[()]
    histogram.observe(0.5)
    assert before.counts == [0, 0]


async def test_a_silence_that_is_found_at_its_deadline_has_no_delay() -> None:
    clock, before = FakeClock(), counters.DETECTION.values()[("silent",)]
    async with HeartbeatMonitor("memory:", clock=clock, offline_after="2m") as monitor:
        await monitor.heartbeat("db-01")
        await clock.advance("3m")
        assert not await monitor.is_online("db-01")
    after = counters.DETECTION.values()[("silent",)]
    assert (sum(after.counts) - sum(before.counts), after.sum - before.sum) == (1, 0)


def counted(outcome: str, source: str = "http") -> float:
    return counters.HEARTBEATS.values().get((source, outcome), 0)


async def test_the_recorder_counts_what_became_of_each_heartbeat_by_source() -> None:
    counters.name_source(5, "broker")
    outcomes = {
        (source, outcome): counted(outcome, source) for source in ("http", "broker") for outcome in counters.OUTCOMES
    }
    gate = Gate()
    async with recording(gate, capacity=4) as (recorder, clock, _):
        gate.open.clear()
        beats = [Beat("a", clock.now()), Beat("nobody", clock.now()), Beat("b", clock.now(), source=5)]
        futures = [recorder.record(beat) for beat in [*beats, Beat("c", clock.now(), source=5)]]
        with pytest.raises(Busy):
            recorder.record(Beat("d", clock.now()))
        gate.open.set()
        for future in futures:
            if future is futures[1]:
                with pytest.raises(UnknownMachine):
                    await future
            else:
                await future
        gate.down = True
        with pytest.raises(StoreUnavailable):
            await recorder.record(Beat("e", clock.now(), source=5))
        await eventually(lambda: recorder.waiting == 0)
    more = {key: counted(key[1], key[0]) - before for key, before in outcomes.items()}
    assert {key: value for key, value in more.items() if value} == {
        ("http", "stored"): 1,
        ("http", "unknown"): 1,
        ("http", "busy"): 1,
        ("broker", "stored"): 2,
        ("broker", "failed"): 1,
    }


async def test_a_scrape_walks_no_table(served: Served) -> None:
    """Every statement goes by an index: what a scrape costs grows with what is wrong, not with what there is."""
    from lastseen.storage.sqlite import SqliteDatabase

    database = served.app.store.database  # type: ignore[attr-defined]
    assert isinstance(database, SqliteDatabase)
    engine, statements = reader_engine(database.path), []
    with engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", lambda *call: statements.append(call[2:4]))
        gauges(connection, SystemClock().now())
        plans = [
            row[3]
            for statement, values in list(statements)
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    small = ("channels", "sources", "anon_")  # a few rows each, or a bounded list
    walks = [
        plan for plan in plans if plan.startswith("SCAN") and "INDEX" not in plan and not any(s in plan for s in small)
    ]
    assert len(statements) >= 7
    assert walks == []


async def test_a_heartbeat_that_cannot_be_looked_up_is_counted_as_failed(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> None:
        raise StoreUnavailable("disk")

    key, before = await served.machine("web-1"), counted("failed")
    monkeypatch.setattr(served.app.store, "find_key", gone)
    assert (await served.beat(key)).status_code == 503
    assert counted("failed") == before + 1


async def test_only_a_store_that_cannot_be_used_is_a_store_error(served: Served) -> None:
    database = served.app.store.database  # type: ignore[attr-defined]
    before = dict(counters.STORE_ERRORS.values())
    for run in (database.read, database.write):
        with pytest.raises(StoreUnavailable):
            await run(lambda connection: connection.exec_driver_sql("SELECT * FROM no_such_table"))
    twice = "INSERT INTO kinds (name) VALUES ('a'), ('a')"
    with pytest.raises(Conflict):
        await database.write(lambda connection: connection.exec_driver_sql(twice))
    after = counters.STORE_ERRORS.values()
    assert {access: after[access] - before[access] for access in after} == {("read",): 1, ("write",): 1}


async def test_a_message_that_nobody_will_have_is_counted_as_dead() -> None:
    tried, ended = dict(counters.ATTEMPTS.values()), dict(counters.DELIVERIES.values())

    async def refuses(message: Message) -> Rejected:
        return Rejected("not like this")

    clock = FakeClock()
    async with HeartbeatMonitor("memory:", clock=clock, notify={"ops": refuses}) as monitor:
        await monitor.heartbeat("db-01")
        await clock.advance("1h")
    assert counters.DELIVERIES.values()["code", "dead"] - ended.get(("code", "dead"), 0) == 1
    assert counters.ATTEMPTS.values()["code", "rejected"] - tried.get(("code", "rejected"), 0) == 3


async def test_a_key_that_is_refused_is_counted_once_whatever_it_was_to_show(served: Served) -> None:
    await served.machine("web-1")
    lost, other = await served.machine("web-2"), await served.machine("web-3")
    await served.app.monitor.disable("web-2")
    before = counters.KEY_REFUSALS.values()
    for path in ("/api/v1/machines/web-1/status", "/metrics"):
        for key, reason in ((None, "missing"), ("lsa_wrong", "wrong"), (lost, "disabled"), (other, "scope")):
            headers = {"x-api-key": key} if key else {"via": "a proxy"}
            assert (await served.http.get(path, headers=headers)).status_code in (401, 403)
            after = counters.KEY_REFUSALS.values()
            assert {name: after[name] - count for name, count in before.items() if after[name] != count} == {
                (reason,): 1
            }
            before = after
