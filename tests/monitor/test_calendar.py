"""When a job is due, against a scan of every minute; and schedules that are none."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lastseen.errors import InvalidInput
from lastseen.monitor.calendar import Due, check_schedule, earliness, next_due, read_zone, upcoming

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
NONE = timedelta(0)
MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(due: Due | None, zone: str) -> str:
    assert due is not None
    return due.at.astimezone(ZoneInfo(zone)).strftime("%a %H:%M %Z")


# -- what it says


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("30 2 * * *", "2026-11-22T02:30"),
        ("*/15 * * * *", "2026-11-21T07:30"),
        ("0 4 * * 1-5", "2026-11-23T04:00"),
        ("0 4 * * mon", "2026-11-23T04:00"),
        ("0 0 1,15 * *", "2026-12-01T00:00"),
        ("0 0 L * *", "2026-11-30T00:00"),
        ("0 0 13 * 5", "2026-11-27T00:00"),  # either of the two, as cron has it
        ("30 0 4 * * *", "2026-11-22T04:00:30"),  # six fields begin with seconds
        ("@daily", "2026-11-22T00:00"),
        ("@Hourly", "2026-11-21T08:00"),
        ("@weekly", "2026-11-22T00:00"),
        ("@monthly", "2026-12-01T00:00"),
        ("@yearly", "2027-01-01T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("daily", "2026-11-22T00:00"),
        ("weekly", "2026-11-23T00:00"),
        ("02:30", "2026-11-22T02:30"),
        ("Mon..Fri 02:30", "2026-11-23T02:30"),
        ("*-*-* 04:00:30", "2026-11-22T04:00:30"),
        ("*-*~01 00:00", "2026-11-30T00:00"),
        ("Mon *-*-* 02:30 UTC", "2026-11-23T02:30"),
        ("  30   2 * * * ", "2026-11-22T02:30"),
    ],
)
def test_both_ways_of_writing_a_schedule_are_understood(schedule: str, due: str) -> None:
    assert next_due(schedule, None, utc("2026-11-21T07:20:13")) == Due(utc(due))


def test_the_zone_is_that_of_the_machine_or_that_of_the_schedule() -> None:
    after = utc("2026-11-21T12:00")
    expected = Due(utc("2026-11-22T01:30"))
    assert next_due("30 2 * * *", "Europe/Berlin", after) == expected
    assert next_due("02:30 Europe/Berlin", None, after) == expected
    assert next_due("02:30 Europe/Berlin", "Europe/Berlin", after) == expected


def test_a_run_at_its_very_moment_has_come_and_the_next_one_is_due() -> None:
    assert next_due("0 3 * * *", None, utc("2026-11-21T03:00")) == Due(utc("2026-11-22T03:00"))
    assert next_due("0 3 * * *", None, utc("2026-11-21T02:59:59.999999")) == Due(utc("2026-11-21T03:00"))


def test_what_comes_a_little_early_counts_for_the_coming_run_alone() -> None:
    early = earliness(timedelta(hours=1))
    assert early == timedelta(minutes=5)
    assert earliness(MINUTE) == MINUTE
    assert next_due("0 3 * * *", None, utc("2026-11-21T02:55"), early) == Due(utc("2026-11-22T03:00"))
    assert next_due("0 3 * * *", None, utc("2026-11-21T02:54:59"), early) == Due(utc("2026-11-21T03:00"))
    assert next_due("* * * * *", None, utc("2026-11-21T02:00:10"), early) == Due(utc("2026-11-21T02:02"))


def test_the_next_times_are_listed_in_order_and_no_more_than_were_asked_for() -> None:
    assert [due.at for due in upcoming("0 3 * * *", None, utc("2026-11-21T12:00"))] == [
        utc("2026-11-22T03:00"),
        utc("2026-11-23T03:00"),
        utc("2026-11-24T03:00"),
    ]
    assert upcoming("0 3 * * *", None, utc("2026-11-21T12:00"), 0) == []
    assert len(upcoming("2027-01-01..03 03:00", None, utc("2026-11-21T12:00"), 5)) == 3


# -- the days on which clocks change


@pytest.mark.parametrize(
    ("zone", "schedule", "after", "due", "note"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00", "Sun 03:30 CEST", "02:30 did not exist tonight"),
        ("Europe/Berlin", "02:30", "2026-03-28T12:00", "Sun 03:30 CEST", "02:30 did not exist tonight"),
        ("Europe/Berlin", "30 2 * * *", "2026-03-29T01:00:20", "Mon 02:30 CEST", ""),  # ran when the clock had jumped
        ("Europe/Berlin", "30 2 * * *", "2026-03-29T01:30:20", "Mon 02:30 CEST", ""),  # ran as much later as it jumped
        ("Europe/Berlin", "0 * * * *", "2026-03-29T00:00:20", "Sun 03:00 CEST", ""),  # 03:00 is plainly due
        ("Europe/Berlin", "0,30 2,3 * * *", "2026-03-28T12:00", "Sun 03:00 CEST", ""),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00", "Sun 02:30 CET", "02:30 came twice tonight"),
        ("Europe/Berlin", "30 2 * * *", "2026-10-25T00:30:20", "Mon 02:30 CET", ""),  # ran at the first
        ("Europe/Berlin", "30 2 * * *", "2026-10-25T01:30:20", "Mon 02:30 CET", ""),  # ran at the second
        ("America/New_York", "30 2 * * *", "2026-03-08T00:00", "Sun 03:30 EDT", "02:30 did not exist tonight"),
        ("America/New_York", "30 1 * * *", "2026-10-31T12:00", "Sun 01:30 EST", "01:30 came twice tonight"),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00", "Sun 02:45 +11", "02:15 did not exist tonight"),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00", "Sun 01:45 +1030", "01:45 came twice tonight"),
        ("Asia/Kolkata", "30 2 * * *", "2026-03-28T12:00", "Sun 02:30 IST", ""),
        ("Africa/Casablanca", "30 2 * * *", "2026-02-14T12:00", "Sun 02:30 +00", "02:30 came twice tonight"),
    ],
)
def test_on_the_days_clocks_change_the_latest_meaning_holds_and_is_told(
    zone: str, schedule: str, after: str, due: str, note: str
) -> None:
    found = next_due(schedule, zone, utc(after))
    assert local(found, zone) == due
    assert found is not None
    assert found.note.partition(";")[0] == note


def test_the_note_says_what_to_make_of_it() -> None:
    spring = next_due("30 2 * * *", "Europe/Berlin", utc("2026-03-28T12:00"))
    autumn = next_due("30 2 * * *", "Europe/Berlin", utc("2026-10-24T12:00"))
    assert spring is not None
    assert autumn is not None
    assert spring.note == "02:30 did not exist tonight; some schedulers skip it."
    assert autumn.note == "02:30 came twice tonight; the later one counts."


# -- against every minute


Fields = tuple[frozenset[int], frozenset[int], frozenset[int]]
"""Minutes, hours, days of the week (0 is Monday)."""


@lru_cache(maxsize=64)
def minutes(zone: str, first: datetime, days: int) -> tuple[tuple[datetime, datetime], ...]:
    """Every minute with what a clock on the wall shows then."""
    there = ZoneInfo(zone)
    moments = [first + n * MINUTE for n in range(days * 1440)]
    return tuple((moment, moment.astimezone(there).replace(tzinfo=None)) for moment in moments)


def scanned(fields: Fields, zone: str, first: datetime, after: datetime, early: timedelta) -> list[datetime]:
    """The same by brute force, for the days after `first`: every minute that the wall should show, and when it does."""
    shown = minutes(zone, first, 10)
    moments: dict[datetime, list[datetime]] = {}
    for moment, wall in shown:
        moments.setdefault(wall, []).append(moment)
    walls = sorted(moments)
    runs = []
    for n in range(int((walls[-1] - walls[0]) / MINUTE)):
        wall = walls[0] + n * MINUTE
        if wall.minute not in fields[0] or wall.hour not in fields[1] or wall.weekday() not in fields[2]:
            continue
        if wall in moments:
            runs.append((min(moments[wall]), max(moments[wall])))
        else:
            place = bisect_right(walls, wall)
            before, behind = walls[place - 1], walls[place]
            runs.append((min(moments[behind]), max(moments[before]) + (wall - before)))
    coming = sorted(run[0] for run in runs if run[0] > after)
    done = coming[0] if coming and coming[0] - after <= early else after
    return sorted({latest for earliest, latest in runs if earliest > done})


CHANGES = [
    utc(text)
    for text in (
        "2026-03-29T01:00",
        "2026-10-25T01:00",
        "2026-03-08T07:00",
        "2026-11-01T06:00",
        "2026-04-04T15:00",
        "2026-10-03T15:30",
        "2026-07-01T00:00",
    )
]


def some(low: int, high: int, most: int = 4) -> st.SearchStrategy[frozenset[int]]:
    return st.frozensets(st.integers(low, high), min_size=1, max_size=most) | st.just(frozenset(range(low, high + 1)))


schedules = st.tuples(some(0, 59), some(0, 4) | some(0, 23), st.just(frozenset(range(7))) | some(0, 6))


def as_cron(fields: Fields) -> str:
    def field(values: frozenset[int], size: int) -> str:
        return "*" if len(values) == size else ",".join(str(value) for value in sorted(values))

    return f"{field(fields[0], 60)} {field(fields[1], 24)} * * {field(frozenset((d + 1) % 7 for d in fields[2]), 7)}"


def as_oncalendar(fields: Fields) -> str:
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    hours = "*" if len(fields[1]) == 24 else ",".join(map(str, sorted(fields[1])))
    minutes_ = "*" if len(fields[0]) == 60 else ",".join(map(str, sorted(fields[0])))
    return f"{','.join(names[day] for day in sorted(fields[2]))} *-*-* {hours}:{minutes_}"


@settings(deadline=None, max_examples=150)
@given(
    fields=schedules,
    write=st.sampled_from([as_cron, as_oncalendar]),
    zone=st.sampled_from(ZONES),
    change=st.sampled_from(CHANGES),
    offset=st.integers(-36 * 3600, 12 * 3600),
    early=st.sampled_from([NONE, MINUTE, timedelta(minutes=5)]),
)
@example(
    fields=(frozenset({0, 30}), frozenset({2, 3}), frozenset(range(7))),
    write=as_cron,
    zone="Europe/Berlin",
    change=CHANGES[0],
    offset=-3600,
    early=NONE,
)
def test_it_finds_what_a_scan_of_every_minute_finds(
    fields: Fields,
    write: Callable[[Fields], str],
    zone: str,
    change: datetime,
    offset: int,
    early: timedelta,
) -> None:
    first, after = change - timedelta(days=2, hours=change.hour), change + timedelta(seconds=offset)
    due = next_due(write(fields), zone, after, early)
    assert due is not None
    assert due.at == scanned(fields, zone, first, after, early)[0]
    coming = scanned(fields, zone, first, after, NONE)[:3]
    assert [due.at for due in upcoming(write(fields), zone, after, 3)][: len(coming)] == coming


@pytest.mark.parametrize("zone", ZONES)
def test_a_nightly_job_is_due_once_a_night_for_a_whole_year(zone: str) -> None:
    for minute in ("1:30", "2:15", "2:30", "3:00"):
        dues = upcoming(minute, zone, utc("2026-01-01T12:00"), 366)
        days = [due.at.astimezone(ZoneInfo(zone)).date() for due in dues]
        assert days == [days[0] + timedelta(days=n) for n in range(366)]
        for due, following in itertools.pairwise(dues):
            assert next_due(minute, zone, due.at) == following


# -- what is no schedule


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("", "must be one line"),
        (" ", "must be one line"),
        ("0 3 * * *\n0 4 * * *", "must be one line"),
        ("0 3 * * *\0", "must be one line"),
        ("1," * 200 + "1 3 * * *", "must be one line"),
        ("60 3 * * *", "bad minute"),
        ("0 25 * * *", "bad hour"),
        ("0 3 * * * * *", "is no cron schedule: it has 7 fields, not five or six"),
        ("* * * *", "is no cron schedule: it has 4 fields, not five or six"),
        ("*/5 1-5,7", "is no cron schedule: it has 2 fields, not five or six"),
        ("*-*-* 25:00", "neither cron"),
        ("2026-13-01 03:00", "neither cron"),
        ("soon", "neither cron"),
        ("@reboot", "names no time"),
        ("*-13-01", "bad month"),
        ("Mon 02:30 Europe/Nowhere", "neither cron"),
        ("0 0 30 2 *", "bad day of the month"),
        ("0 0 31 2,4,6 *", "bad day of the month"),
        ("*-02-30", "never comes"),
        ("*-04-31 *:*:*", "never comes"),
        ("Mon 2024-02-29 23:59:59", "never comes"),
    ],
)
def test_what_is_no_schedule_or_never_comes_is_refused_by_name(schedule: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as caught:
        check_schedule(schedule, "Europe/Berlin")
    assert caught.value.field == "schedule"


@pytest.mark.parametrize("schedule", ["2025-01-01 03:00", "2099-01-01 03:00"])
def test_what_is_over_or_too_far_ahead_is_refused_where_the_time_is_known(schedule: str) -> None:
    now = utc("2026-11-21T07:20")
    check_schedule(schedule)
    with pytest.raises(InvalidInput, match="does not come within the next 50 years"):
        check_schedule(schedule, now=now)
    assert next_due(schedule, None, now) is None
    assert upcoming(schedule, None, now) == []


@pytest.mark.parametrize(
    "zone", ["Europe/Nowhere", "", "Europe", "../../etc/passwd", "/etc/localtime", "a\0b", "é" * 300]
)
def test_what_is_no_zone_is_refused_by_name(zone: str) -> None:
    with pytest.raises(InvalidInput, match="no time zone") as caught:
        check_schedule("0 3 * * *", zone)
    assert caught.value.field == "timezone"
    with pytest.raises(InvalidInput):
        read_zone(zone)


def test_two_zones_that_differ_are_refused_and_that_of_the_schedule_holds_where_nobody_can_be_asked() -> None:
    with pytest.raises(InvalidInput, match="the schedule itself says Europe/Berlin") as caught:
        check_schedule("02:30 Europe/Berlin", "Asia/Kolkata")
    assert caught.value.field == "timezone"
    after = utc("2026-11-21T12:00")
    assert next_due("02:30 Europe/Berlin", "Asia/Kolkata", after) == Due(utc("2026-11-22T01:30"))


parts = st.text(alphabet="0123456789*/-,.:~#LWmonfrijan@ ²١", max_size=30)


@settings(deadline=None, max_examples=300)
@given(
    parts
    | st.text(max_size=40)
    | st.lists(st.text(alphabet="0123456789*/-,#LWFRI", max_size=6), max_size=6).map(" ".join)
)
def test_whatever_the_text_it_is_a_schedule_or_refused(text: str) -> None:
    with suppress(InvalidInput):
        check_schedule(text, "Australia/Lord_Howe")
        for due in upcoming(text, "Australia/Lord_Howe", utc("2026-04-04T14:00"), 3):
            assert due.at > utc("2026-04-04T14:00")


@pytest.mark.parametrize("year", [1971, 2139, 2199, 5000, 9999])
def test_no_year_is_too_far_for_a_plain_answer(year: int) -> None:
    for schedule in ("0 3 * * *", "03:00", "0 0 * 2 mon#5"):
        found = upcoming(schedule, "Europe/Berlin", datetime(year, 6, 1, tzinfo=UTC), 3)
        assert found == sorted(found, key=lambda due: due.at)
