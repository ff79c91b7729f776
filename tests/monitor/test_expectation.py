"""`next_in`: a machine's own word on when it will be heard next."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastseen.errors import InvalidInput
from lastseen.testing import FakeClock
from tests.monitor.cases import STORES, scene


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_the_threshold_counts_from_the_moment_that_it_named(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("sensor", report={"next_in": 3600})
        assert await s.first_told("1h2m59s") == ["machine.offline sensor"]


async def test_it_holds_for_this_silence_alone(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("sensor", report={"next_in": 86_400})
        await s.clock.advance("1m")
        await s.beat("sensor")
        assert await s.first_told("2m59s") == ["machine.offline sensor"], "the later heartbeat said nothing of the next"


async def test_a_newer_word_replaces_an_older_one_in_both_directions(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("sensor", report={"next_in": 86_400})
        await s.beat("sensor", report={"next_in": 60})
        await s.clock.advance("3m59s")
        assert s.types == []
        await s.beat("sensor", report={"next_in": 7200})
        assert await s.first_told("2h2m", "2m") == ["machine.offline sensor"]


async def test_a_machine_that_is_never_offline_stays_so(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.monitor.watch("sensor", offline_after="never")
        await s.beat("sensor", report={"next_in": 1})
        await s.clock.advance("30d")
        assert s.types == []


async def test_it_is_forgotten_after_a_pause(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("sensor", report={"next_in": 86_400})
        await s.monitor.pause("sensor")
        await s.clock.advance("1m")
        await s.monitor.resume("sensor")
        await s.clock.advance("4m")
        assert s.types == ["machine.offline sensor"], "watching began anew, with its threshold"


async def test_a_time_that_a_heartbeat_names_opens_shortens_and_closes_nothing(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("4m")
        assert s.types == ["machine.offline pump"]
        await s.beat("pump", report={"timestamp": "2001-01-01T00:00:00Z"})
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump", "machine.online pump"], "it counts from its arrival"
        ended = s.told.messages[1].event.snapshot["outage"]
        assert ended["seconds"] == pytest.approx(240, abs=1)
        await s.beat("pump", report={"timestamp": "2099-01-01T00:00:00Z"})
        await s.clock.advance("4m")
        assert s.types[-1] == "machine.offline pump"


@pytest.mark.parametrize("wrong", [0, -1, "soon", 366 * 86_400, True])
async def test_a_word_that_is_none_is_refused_and_changes_nothing(wrong: object, tmp_path: Path) -> None:
    async with scene("memory", tmp_path) as s:
        await s.beat("sensor")
        before = await s.monitor.last_seen("sensor")
        await s.clock.advance("1s")
        with pytest.raises(InvalidInput) as refused:
            await s.beat("sensor", report={"next_in": wrong})
        assert refused.value.field == "next_in"
        assert await s.monitor.last_seen("sensor") == before


LIMIT = 180


def silent_at(beats: list[tuple[int, int | None]]) -> int:
    """The second of its first outage: each heartbeat is followed by the threshold after the moment it named."""
    at, due = 0, 0
    for gap, next_in in beats:
        if due and at + gap >= due:
            return due
        at += gap
        due = at + (next_in or 0) + LIMIT
    return due


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.sampled_from([None, None, 30, 300, 900])), min_size=1, max_size=12))
def test_any_sequence_of_words_is_offline_when_an_oracle_says_so(beats: list[tuple[int, int | None]]) -> None:
    import anyio

    async def run() -> int:
        clock = FakeClock()
        start = clock.now()
        async with scene("memory", Path(), clock=clock, check_interval="1d") as s:
            for gap, next_in in beats:
                await clock.advance(gap)
                if s.types:
                    break
                await s.beat("m", report=None if next_in is None else {"next_in": next_in})
            if not s.types:
                await clock.advance(silent_at(beats) - (clock.now() - start).total_seconds() + 1)
            return round((s.told.messages[0].event.at - start).total_seconds())

    assert anyio.run(run) == silent_at(beats)
