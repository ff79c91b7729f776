"""Intervals between heartbeats beside a count that goes through every minute."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from lastseen.model.intervals import Heard, Tally, Turn
from lastseen.model.past import Past, Span
from lastseen.monitor.intervals import (
    BEYOND,
    FIRST,
    between,
    bucket_of,
    counted,
    edge_of,
    tallied,
    week_of,
)

START, MINUTE = datetime(2026, 3, 28, tzinfo=UTC), timedelta(minutes=1)
LONGEST = 60
minutes = st.integers(0, LONGEST)
ALWAYS = Past(((START, None),))


def at(minute: float) -> datetime:
    return START + minute * MINUTE


@st.composite
def spans(draw: st.DrawFn, most: int = 3) -> list[tuple[int, int | None]]:
    pairs = draw(st.lists(st.tuples(minutes, st.one_of(st.none(), minutes)), max_size=most))
    return [(left, None if right is None else max(left, right)) for left, right in pairs]


def timed(some: list[tuple[int, int | None]]) -> tuple[Span, ...]:
    return tuple((at(left), None if right is None else at(right)) for left, right in some)


def touched(some: list[tuple[int, int | None]], minute: int) -> bool:
    """The minute that begins then has a part in one of these."""
    return any(left <= minute < (LONGEST + 1 if right is None else right) for left, right in some)


@given(st.integers(0, 40 * 86_400 * 10**6))
@example(0)
@example(10_000)
@example(10_001)
def test_a_bucket_holds_what_is_up_to_five_percent_below_its_edge(microseconds: int) -> None:
    interval = timedelta(microseconds=microseconds)
    number = bucket_of(interval)
    edge, below = edge_of(number), edge_of(number - 1) if number else timedelta(-1)
    assert below is not None
    assert below < interval
    if edge is None:
        assert number == BEYOND
        assert interval > timedelta(days=31)
    else:
        assert interval <= edge
        assert interval <= FIRST or edge < interval * 1.045


def test_edges_are_the_same_for_ever() -> None:
    """Counts are stored by the number of the bucket."""
    assert [edge_of(number) for number in (0, 1, 16, 160, 448)] == [
        timedelta(seconds=0.01),
        timedelta(microseconds=10_443),
        timedelta(seconds=0.02),
        timedelta(seconds=10.24),
        timedelta(seconds=0.01) * 2**28,
    ]


@given(st.one_of(st.none(), minutes), st.lists(minutes), spans(), spans(), spans(), spans())
def test_an_interval_is_what_no_minute_speaks_against(
    last: int | None,
    beats: list[int],
    watched: list[tuple[int, int | None]],
    outages: list[tuple[int, int | None]],
    blind: list[tuple[int, int | None]],
    holes: list[tuple[int, int | None]],
) -> None:
    past = Past(timed(watched), timed(outages), timed(blind))
    found = between(None if last is None else at(last), [at(beat) for beat in beats], timed(holes), past)
    times = sorted({*beats, *([] if last is None else [last])})
    expected = []
    for start, end in pairwise(times):
        one_watch = any(left <= start and (right is None or end <= right) for left, right in watched)
        known = not any(touched(some, minute) for some in (outages, blind, holes) for minute in range(start, end))
        if one_watch and known:
            expected.append((at(start), at(end)))
    assert list(found.intervals) == expected
    unsure = bool(times) and any(right is None or right > times[-1] for _, right in holes)
    assert found.last_at == (at(times[-1]) if times and not unsure else None)


@given(st.lists(st.tuples(minutes, st.integers(0, 2)), max_size=40), st.lists(minutes, max_size=5))
def test_it_does_not_matter_who_heard_what_nor_in_how_many_parts_it_is_counted(
    beats: list[tuple[int, int]], cuts: list[int]
) -> None:
    turn = Turn(7, "pump", at(-1), at(LONGEST + 1), id=1)
    edges = sorted({-1, *cuts, LONGEST})
    parts = [
        Heard(
            str(node), at(left), at(right), 1, {7: [at(one) for one, by in beats if by == node and left < one <= right]}
        )
        for node in range(3)
        for left, right in pairwise(edges)
    ]
    whole = counted(turn, parts, ALWAYS_FROM_BEFORE, at(LONGEST))
    tallies: list[Tally] = []
    for edge in edges[1:]:
        step = counted(turn, parts, ALWAYS_FROM_BEFORE, at(edge))
        tallies += step.tallies
        turn = Turn(7, "pump", turn.starts_at, turn.ends_at, False, step.last_at, step.counted_until, 1)
    times = sorted({beat for beat, _ in beats})
    alone = tallied(7, [(at(left), at(right)) for left, right in pairwise(times)])
    assert added(tallies) == added(whole.tallies) == added(alone)


ALWAYS_FROM_BEFORE = Past(((at(-10), None),))


def added(tallies: Iterable[Tally]) -> dict[datetime, Tally]:
    found: dict[datetime, Tally] = {}
    for one in tallies:
        found[one.week] = found[one.week].plus(one) if one.week in found else one
    return found


def test_what_a_process_did_not_know_of_or_lost_is_no_interval() -> None:
    turn = Turn(7, "pump", at(0), at(60), id=5)
    for hole in (
        Heard("b", at(3), at(4), known=4),
        Heard("b", at(3), at(4), known=5, lost=frozenset([7])),
        Heard("b", at(3), at(4), lost=None),
    ):
        parts = [Heard("a", at(0), at(10), 5, {7: [at(1), at(2), at(5), at(6)]}), hole]
        found = counted(turn, parts, ALWAYS, at(10))
        assert [sum(tally.counts.values()) for tally in found.tallies] == [2], hole
        assert found.last_at == at(6)


def test_after_a_hole_that_lasts_to_the_end_nothing_is_carried_on() -> None:
    turn = Turn(7, "pump", at(0), at(60), id=1)
    parts = [Heard("a", at(0), at(10), 1, {7: [at(1), at(2), at(9)]}), Heard("b", at(8), at(10), 1, None, None)]
    found = counted(turn, parts, ALWAYS, at(10))
    assert [sum(tally.counts.values()) for tally in found.tallies] == [1]
    assert found.last_at is None


def test_weeks_begin_on_mondays() -> None:
    for day in range(400):
        moment = START + timedelta(days=day, hours=day % 24)
        monday = week_of(moment)
        assert monday.weekday() == 0
        assert monday <= moment < monday + timedelta(days=7)
        assert (monday.hour, monday.minute, monday.second) == (0, 0, 0)
