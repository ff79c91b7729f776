"""Uptime beside a count of single minutes that knows nothing of spans."""

from __future__ import annotations

import sys
import zoneinfo
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.model.past import Past, Span
from lastseen.monitor.uptime import Timeline, Uptime, day_edges, hour_edges, uptime, uptimes

MINUTE = timedelta(minutes=1)
START = datetime(2026, 3, 28, tzinfo=UTC)
LONGEST = 120
"""Minutes that the grid has."""

moments = st.integers(0, LONGEST)


@st.composite
def spans(draw: st.DrawFn, most: int = 5) -> list[tuple[int, int | None]]:
    """In minutes; some last, some overlap, some are empty."""
    pairs = draw(st.lists(st.tuples(moments, st.one_of(st.none(), moments)), max_size=most))
    return [(left, None if right is None else max(left, right)) for left, right in pairs]


def at(minute: int) -> datetime:
    return START + minute * MINUTE


def timed(minutes: list[tuple[int, int | None]]) -> tuple[Span, ...]:
    return tuple((at(left), None if right is None else at(right)) for left, right in minutes)


def covered(minutes: list[tuple[int, int | None]], now: int) -> set[int]:
    return {
        minute for left, right in minutes for minute in range(left, now if right is None else right) if minute < now
    }


@given(spans(), spans(), spans(), spans(), st.lists(moments, min_size=2, max_size=6), moments, st.booleans())
def test_it_counts_what_single_minutes_count(
    watched: list[tuple[int, int | None]],
    outages: list[tuple[int, int | None]],
    blind: list[tuple[int, int | None]],
    silenced: list[tuple[int, int | None]],
    edges: list[int],
    now: int,
    without: bool,
) -> None:
    edges.sort()
    past = Past(timed(watched), timed(outages), timed(blind), timed(silenced))
    counted = uptimes(past, [at(edge) for edge in edges], at(now), without_silenced=without)
    there, quiet = covered(watched, now), covered(silenced, now)
    asked = there - quiet if without else there
    known = asked - covered(blind, now)
    for one, left, right in zip(counted, edges, edges[1:], strict=False):
        window = set(range(left, right))
        down = [covered([outage], now) & known & window for outage in outages]
        assert one == Uptime(
            at(left),
            at(right),
            known=len(known & window) * MINUTE,
            down=len(set().union(*down)) * MINUTE,
            unknown=len((asked - known) & window) * MINUTE,
            silenced=len(there & quiet & window) * MINUTE,
            outages=sum(map(bool, down)),
        )
    assert len(counted) == len(edges) - 1


@given(spans(), spans(), spans(), st.lists(moments, min_size=2, max_size=6), moments)
def test_parts_make_the_whole(
    watched: list[tuple[int, int | None]],
    outages: list[tuple[int, int | None]],
    blind: list[tuple[int, int | None]],
    edges: list[int],
    now: int,
) -> None:
    edges.sort()
    past = Past(timed(watched), timed(outages), timed(blind))
    parts = uptimes(past, [at(edge) for edge in edges], at(now))
    whole = uptime(past, at(edges[0]), at(edges[-1]), at(now))
    for what in ("known", "down", "unknown", "silenced"):
        assert sum((getattr(part, what) for part in parts), timedelta()) == getattr(whole, what)


def test_blind_time_is_neither_up_nor_down() -> None:
    past = Past([(at(0), None)], outages=[(at(10), at(30))], blind=[(at(20), at(50))])
    found = uptime(past, at(0), at(100), at(100))
    assert (found.known, found.down, found.unknown) == (70 * MINUTE, 10 * MINUTE, 30 * MINUTE)
    assert found.ratio == pytest.approx(6 / 7)


def test_of_nothing_known_there_is_no_uptime() -> None:
    nothing = uptime(Past([(at(0), at(10))], blind=[(at(0), None)]), at(0), at(20), at(20))
    assert (nothing.ratio, nothing.percent, nothing.unknown) == (None, None, 10 * MINUTE)


@pytest.mark.parametrize(
    ("down", "shown"), [(timedelta(), "100"), (timedelta(microseconds=1), "99.99"), (50 * MINUTE, "50.00")]
)
def test_a_hundred_per_cent_is_said_only_without_any_outage(down: timedelta, shown: str) -> None:
    past = Past([(at(0), None)], outages=[(at(0), at(0) + down)])
    assert uptime(past, at(0), at(100), at(100)).percent == shown


ZONES = sorted(zoneinfo.available_timezones())


@given(
    st.sampled_from(ZONES),
    st.integers(0, 67 * 365 * 24 * 60).map(lambda minutes: datetime(1970, 2, 1, tzinfo=UTC) + minutes * MINUTE),
    st.integers(1, 5),
)
def test_a_day_has_the_minutes_that_its_zone_gives_it(name: str, now: datetime, days: int) -> None:
    zone = ZoneInfo(name)
    edges = day_edges(now, days, zone)
    minutes = (now - MINUTE * (number + 1) for number in range((days + 2) * 24 * 60))
    by_day = Counter(minute.astimezone(zone).date() for minute in minutes)
    today = now.astimezone(zone).date()
    wanted = {day: count for day, count in by_day.items() if (today - day).days < days}
    found = {left.astimezone(zone).date(): (right - left) / MINUTE for left, right in pairwise(edges)}
    assert found == pytest.approx(wanted, abs=1), "a zone may be off by seconds"


@given(
    st.sampled_from(ZONES),
    st.integers(0, 67 * 365 * 24 * 60).map(lambda minutes: datetime(1970, 2, 1, tzinfo=UTC) + minutes * MINUTE),
    st.integers(0, 3 * 24 * 60),
    st.integers(1, 40 * 60),
)
def test_an_outage_is_counted_on_the_days_of_the_zone_that_its_minutes_are_on(
    name: str, now: datetime, ago: int, length: int
) -> None:
    zone, since = ZoneInfo(name), now - 5 * 24 * 60 * MINUTE
    begun = now - ago * MINUTE
    ended = min(now, begun + length * MINUTE)
    days = uptimes(Past([(since, None)], outages=[(begun, ended)]), day_edges(now, 6, zone), now)
    minutes = (begun + MINUTE * number for number in range((ended - begun) // MINUTE))
    wanted = Counter(minute.astimezone(zone).date() for minute in minutes)
    found = {one.start.astimezone(zone).date(): one.down / MINUTE for one in days if one.down >= MINUTE}
    assert found == pytest.approx({day: count for day, count in wanted.items() if day in found}, abs=1)
    assert sum(found.values()) == pytest.approx(wanted.total(), abs=len(wanted))


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("Europe/Vienna", datetime(2026, 3, 29, 22, tzinfo=UTC), [24, 23]),
        ("Europe/Vienna", datetime(2026, 10, 25, 23, tzinfo=UTC), [24, 25]),
        ("Asia/Beirut", datetime(2026, 3, 29, 21, tzinfo=UTC), [24, 23]),  # its clocks are changed at midnight
        ("Pacific/Apia", datetime(2011, 12, 31, 10, tzinfo=UTC), [24, 24]),  # it had no 30 December that year
    ],
)
def test_days_where_clocks_are_changed(zone: str, now: datetime, hours: list[int]) -> None:
    """At a midnight: today is still empty, and left out."""
    edges = day_edges(now, len(hours) + 2, ZoneInfo(zone))
    assert [(right - left) / timedelta(hours=1) for left, right in pairwise(edges)][-len(hours) :] == hours


def test_a_day_is_shown_in_hours_that_end_now() -> None:
    edges = hour_edges(at(90), 24)
    assert (len(edges), edges[0], edges[-1]) == (25, at(90) - timedelta(hours=24), at(90))
    assert len(hour_edges(at(90), 24, timedelta(minutes=30))) == 49


def calls(work: Callable[[], object]) -> int:
    """Of functions of ours, for it."""
    made = 0

    def note(frame: object, what: str, arg: object) -> None:
        nonlocal made
        made += what in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return made


def test_another_day_of_the_picture_looks_at_the_outages_of_that_day_alone() -> None:
    now, each = START + timedelta(days=90), timedelta(hours=1)
    outages = tuple((START + number * each, START + (number + 0.5) * each) for number in range(90 * 24))
    line = Timeline(Past(((START, None),), outages), now)
    days = day_edges(now, 90, UTC)
    assert [one.outages for one in line.uptimes(days)] == [24] * (len(days) - 1)
    assert calls(lambda: line.uptimes(days)) < 90 * 100
