"""Group commit: shared transactions, each heartbeat acknowledged when it is durable."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta

import pytest

from lastseen.errors import Busy, InvalidInput, StoreUnavailable, UnknownMachine
from lastseen.model import Beat, Said
from tests.monitor.recording import Gate, recording


async def test_what_comes_during_a_commit_shares_the_next() -> None:
    gate = Gate()
    async with recording(gate) as (recorder, clock, _):
        gate.open.clear()
        first = recorder.record(Beat("a", clock.now()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        others = [recorder.record(Beat(name, clock.now())) for name in "bcd"]
        assert not first.done()
        gate.open.set()
        await asyncio.gather(first, *others)
        assert [len(batch) for batch in gate.batches] == [1, 3]


async def test_nothing_is_acknowledged_before_it_is_durable_or_when_it_is_not() -> None:
    gate = Gate()
    async with recording(gate) as (recorder, clock, failures):
        gate.down = True
        with pytest.raises(StoreUnavailable):
            await recorder.record(Beat("a", clock.now()))
        assert failures == ["failed"]
        gate.down = False
        await recorder.record(Beat("a", clock.now()))


@pytest.mark.parametrize("down", [False, True])
async def test_who_has_gone_leaves_no_word_in_the_log_for_each_heartbeat(down: bool) -> None:
    gate, said = Gate(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["message"]))
    async with recording(gate) as (recorder, clock, _):
        gate.down = down
        last = [recorder.record(Beat("nobody", clock.now())) for _ in range(3)][-1]
        await asyncio.wait([last])
        del last
        gc.collect()
        assert said == []


async def test_what_is_heard_after_a_goodbye_is_later_and_what_was_said_long_before_keeps_its_time() -> None:
    gate = Gate()
    async with recording(gate) as (recorder, clock, _):
        now, before = clock.now(), clock.now() - timedelta(minutes=1)
        said = [Beat("a", now, Said.GOODBYE), Beat("b", before), Beat("c", before, Said.GOODBYE), Beat("a", now)]
        await asyncio.gather(*[recorder.record(beat) for beat in said])
        dated = {(beat.machine, beat.said): beat.at for batch in gate.batches for beat in batch}
        assert dated["b", Said.ALIVE] == dated["c", Said.GOODBYE] == before
        assert dated["a", Said.ALIVE] > dated["a", Said.GOODBYE] == now


async def test_a_full_queue_answers_busy_and_keeps_what_it_has() -> None:
    gate = Gate()
    async with recording(gate, capacity=3) as (recorder, clock, _):
        gate.open.clear()
        first = recorder.record(Beat("first", clock.now()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting = [recorder.record(Beat(str(n), clock.now())) for n in range(3)]
        with pytest.raises(Busy):
            recorder.record(Beat("one more", clock.now()))
        gate.open.set()
        await asyncio.gather(first, *waiting)
        assert [beat.machine for batch in gate.batches for beat in batch] == ["first", "0", "1", "2"]


async def test_one_bad_row_takes_no_other_down() -> None:
    gate = Gate()
    gate.poison = "bad"
    async with recording(gate) as (recorder, clock, _):
        futures = {name: recorder.record(Beat(name, clock.now())) for name in ("a", "b", "bad", "c", "d")}
        results = dict(zip(futures, await asyncio.gather(*futures.values(), return_exceptions=True), strict=True))
        assert isinstance(results.pop("bad"), StoreUnavailable)
        assert set(results.values()) == {None}


async def test_a_row_that_the_store_refuses_is_its_own_trouble_and_not_the_stores() -> None:
    """A value that no column can hold is refused by name: nobody else is, and nobody was unheard."""
    gate = Gate()
    gate.poison, gate.poisoned = "bad", InvalidInput("NumericValueOutOfRange (22003)")
    async with recording(gate) as (recorder, clock, failures):
        futures = {name: recorder.record(Beat(name, clock.now())) for name in ("a", "bad", "b")}
        results = dict(zip(futures, await asyncio.gather(*futures.values(), return_exceptions=True), strict=True))
        assert isinstance(results.pop("bad"), InvalidInput)
        assert set(results.values()) == {None}
        assert not failures


async def test_what_comes_later_waits_while_a_batch_is_written_in_parts() -> None:
    gate = Gate()
    gate.poison = "bad"
    async with recording(gate) as (recorder, clock, _):
        futures = [recorder.record(Beat(name, clock.now(), Said.ERROR)) for name in ("a", *["bad"] * 30, "pump")]
        while not gate.batches:
            await asyncio.sleep(0)
        later = [recorder.record(Beat("pump", clock.now(), said)) for said in (Said.OK, Said.GOODBYE)]
        await asyncio.gather(*futures, *later, return_exceptions=True)
        stored = [beat.said for batch in gate.batches for beat in batch if beat.machine == "pump"]
        assert stored == [Said.ERROR, Said.OK, Said.GOODBYE]


async def test_unknown_machines_are_told_so_alone() -> None:
    gate = Gate()
    async with recording(gate) as (recorder, clock, _):
        good, bad = recorder.record(Beat("a", clock.now())), recorder.record(Beat("nobody", clock.now()))
        with pytest.raises(UnknownMachine):
            await bad
        await good


async def test_a_caller_that_goes_away_disturbs_nobody() -> None:
    gate = Gate()
    async with recording(gate) as (recorder, clock, _):
        gate.open.clear()
        first, second = recorder.record(Beat("a", clock.now())), recorder.record(Beat("b", clock.now()))
        await asyncio.sleep(0)
        first.cancel()
        gate.open.set()
        await second
        assert {b.machine for batch in gate.batches for b in batch} == {"a", "b"}


async def test_a_heartbeat_after_a_goodbye_is_later_even_within_one_tick() -> None:
    gate = Gate()
    async with recording(gate) as (recorder, clock, _):
        now = clock.now()
        await recorder.record(Beat("a", now, Said.GOODBYE))
        await recorder.record(Beat("a", now))
        (goodbye,), (beat,) = gate.batches
        assert beat.at > goodbye.at


async def test_closing_writes_what_waits_and_takes_no_more() -> None:
    gate = Gate()
    async with recording(gate) as (recorder, clock, _):
        gate.open.clear()
        waiting = [recorder.record(Beat(str(n), clock.now())) for n in range(5)]
        recorder.close()
        with pytest.raises(StoreUnavailable):
            recorder.record(Beat("late", clock.now()))
        gate.open.set()
        await asyncio.gather(*waiting)
        assert [beat.machine for batch in gate.batches for beat in batch] == list("01234")


async def test_settling_may_not_overtake_the_oldest_that_waits() -> None:
    gate = Gate()
    async with recording(gate) as (recorder, clock, _):
        assert recorder.oldest_waiting is None
        gate.open.clear()
        before = clock.now()
        first = recorder.record(Beat("a", before))
        await asyncio.sleep(0)
        clock.jump("1s")
        second = recorder.record(Beat("b", clock.now()))
        assert recorder.oldest_waiting == before
        gate.open.set()
        await asyncio.gather(first, second)
        assert recorder.oldest_waiting is None
