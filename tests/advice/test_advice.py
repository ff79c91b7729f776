"""Advice from buckets beside the same from the intervals themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.model.intervals import Tally
from lastseen.monitor.advice import ENOUGH, FEW, SHARES, Advice, Silence, advise, alarms, quantile
from lastseen.monitor.advice import added as counts_of
from lastseen.monitor.intervals import FIRST, tallied

START = datetime(2026, 3, 28, tzinfo=UTC)
CLOSE = 1.045

lengths = st.lists(st.floats(0.02, 100_000).map(lambda one: timedelta(seconds=one)), max_size=200)
spans = st.floats(0.02, 200_000).map(lambda one: timedelta(seconds=one))


def tallies(intervals: list[timedelta]) -> list[Tally]:
    moments = [START]
    for one in intervals:
        moments.append(moments[-1] + one)
    return tallied(1, pairwise(moments))


def silence(length: timedelta, day: int = 0) -> Silence:
    begun = START + timedelta(days=day)
    return Silence(begun, begun + length)


def exact(intervals: list[timedelta], share: Fraction) -> timedelta:
    """The smallest interval that at least this share of them is not above."""
    return sorted(intervals)[max(0, ceil(share * len(intervals)) - 1)]


@given(lengths, st.sampled_from([*SHARES, Fraction(1, 2), Fraction(1)]))
def test_a_share_is_never_told_shorter_than_it_is_nor_much_longer(intervals: list[timedelta], share: Fraction) -> None:
    found = quantile(counts_of(tallies(intervals)), share)
    if not intervals:
        assert found is None
        return
    true = exact(intervals, share)
    assert found is not None
    assert true <= found < max(true, FIRST) * CLOSE


@given(lengths, st.lists(spans, max_size=8), spans)
def test_alarms_are_counted_as_the_intervals_themselves_say(
    intervals: list[timedelta], lasted: list[timedelta], limit: timedelta
) -> None:
    silences = [silence(one, day) for day, one in enumerate(lasted)]
    found = alarms(tallies(intervals), silences, limit)
    true, at_most = sum(one > limit for one in intervals), sum(one * CLOSE > limit for one in intervals)
    assert true <= found.intervals <= at_most
    assert list(found.silences) == [one for one in silences if one.length > limit]


@given(lengths, st.lists(spans, max_size=8), st.one_of(st.none(), spans), st.one_of(st.none(), spans))
def test_a_proposed_limit_would_have_made_no_false_alarm(
    intervals: list[timedelta], lasted: list[timedelta], limit: timedelta | None, under: timedelta | None
) -> None:
    silences = [silence(one, day) for day, one in enumerate(lasted)]
    found = advise(tallies(intervals), silences, limit, under)
    assert found.intervals == len(intervals)
    assert found.sampled == sum(intervals, timedelta())
    assert [*found.brief, *found.long] == sorted(silences, key=lambda one: one in found.long)
    if found.proposed is None:
        assert len(intervals) < ENOUGH or max(intervals) > timedelta(days=25)
        return
    assert max(intervals) * 1.249 < found.proposed
    assert exact(intervals, Fraction(1, 2)) * 2 <= found.proposed
    again = alarms(tallies(intervals), found.brief, found.proposed)
    assert (again.intervals, list(again.silences)) == (0, [])


@given(lengths)
def test_nothing_is_said_that_too_few_intervals_cannot_tell(intervals: list[timedelta]) -> None:
    found = advise(tallies(intervals), [], None)
    for one in found.within:
        assert len(intervals) >= FEW
        assert (1 - one.share) * len(intervals) >= 1
    assert (found.proposed is not None) <= (len(intervals) >= ENOUGH)


def regular(count: int, every: float = 30, **others: int) -> Advice:
    odd = [timedelta(seconds=float(length.removeprefix("s"))) for length, many in others.items() for _ in range(many)]
    return advise(tallies([timedelta(seconds=every)] * count + odd), [], timedelta(minutes=2))


def test_it_says_what_the_issue_asks_for() -> None:
    found = regular(25_000, every=25, s39=30, s41=3)
    (most, *_) = found.within
    assert most.percent == "99.9"
    assert timedelta(seconds=39) <= most.span < timedelta(seconds=41)
    assert found.proposed == timedelta(seconds=60)


@pytest.mark.parametrize(
    ("count", "shares"), [(19, []), (20, ["90"]), (100, ["99", "90"]), (1000, ["99.9", "99", "90"])]
)
def test_the_greatest_share_needs_enough_intervals(count: int, shares: list[str]) -> None:
    assert [one.percent for one in regular(count).within] == shares


def test_one_lost_heartbeat_is_no_alarm_even_where_none_was_lost_yet() -> None:
    assert regular(5000, every=30).proposed == timedelta(seconds=90)
    assert regular(5000, every=28).proposed == timedelta(seconds=60)


def test_a_silence_that_ended_just_after_the_limit_asks_for_a_longer_one() -> None:
    limit = timedelta(minutes=2)
    silences = [silence(timedelta(minutes=3)), silence(timedelta(hours=2), 1)]
    found = advise(tallies([timedelta(seconds=30)] * 500), silences, limit)
    assert [one.length for one in found.brief] == [timedelta(minutes=3)]
    assert [one.length for one in found.long] == [timedelta(hours=2)]
    assert found.proposed == timedelta(minutes=3)
    assert list(alarms([], silences, timedelta(minutes=3)).silences) == [silences[1]]


def test_which_silences_are_brief_can_be_said() -> None:
    silences = [silence(timedelta(minutes=3)), silence(timedelta(minutes=9), 1)]
    found = advise(tallies([timedelta(seconds=30)] * 500), silences, timedelta(minutes=2), timedelta(minutes=10))
    assert len(found.brief) == 2
    assert found.proposed == timedelta(minutes=10)


def test_a_few_days_are_no_week() -> None:
    assert regular(1000).is_early
    assert not regular(21_000, every=30).is_early
    assert advise([], [], None).is_early
