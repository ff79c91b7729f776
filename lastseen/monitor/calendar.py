"""When a job is due: cron and systemd's OnCalendar, in a time zone. Pure; reads no clock.

On the days on which clocks change, schedulers differ: a time that does not exist is skipped by some, and run by others
when the clock has jumped or as much later as it jumped; a time that comes twice is run at the first, at the second, or
at both. So each run has an earliest and a latest moment. A run counts as done from its earliest moment on, and it is
due at its latest: nobody is blamed whose scheduler is merely another. `Due.note` says so.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from oncalendar import BaseIterator, OnCalendarError

from lastseen.errors import InvalidInput
from lastseen.words import say

HORIZON = timedelta(days=366 * 50)
"""A schedule whose next time is further away than this is taken for one that does not come."""

MOST_EARLY = timedelta(minutes=5)
LONGEST = 200
"""Characters of a schedule."""

MOST = 1000
"""Times that `upcoming` lists at once."""

_LAST_YEAR = 2140  # the libraries and the calendar itself end some time after
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_CACHED = 4096
_SECOND = timedelta(seconds=1)

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_WANTED = say("wanted is cron (`30 2 * * 1-5`), or systemd's OnCalendar (`Mon..Fri 02:30`)")


@dataclass(frozen=True, slots=True)
class Due:
    """A run that is due at `at` (UTC). `note`: what the change of clocks does to it, for people; mostly empty."""

    at: datetime
    note: str = ""


class _Schedule(NamedTuple):
    sequence: CronSim | BaseIterator  # only ever copied
    zone: ZoneInfo


class _Run(NamedTuple):
    earliest: datetime
    latest: datetime
    note: str


def check_schedule(schedule: str, timezone: str | None = None, now: datetime | None = None) -> None:
    """InvalidInput, with the field `schedule` or `timezone`, unless it can be read and comes at all; with `now`, unless
    it comes after it."""
    parsed = _parse(schedule, timezone)
    if timezone is not None and parsed.zone != read_zone(timezone):
        raise InvalidInput(
            say("the schedule itself says {key}, not {timezone}", key=parsed.zone.key, timezone=timezone), "timezone"
        )
    first, span = (_FIRST, 4 * HORIZON) if now is None else (now, HORIZON)
    if next(_locals(parsed, first, span), None) is None:
        if now is None:
            raise InvalidInput(say("{schedule!r} never comes", schedule=schedule), "schedule")
        years = HORIZON.days // 365
        late = say("{schedule!r} does not come within the next {years} years", schedule=schedule, years=years)
        raise InvalidInput(late, "schedule")


def names_zone(schedule: str) -> bool:
    """Whether it says itself in which zone it is meant."""
    words = schedule.split()
    return len(words) not in (5, 6) and _own_zone(words) is not None


def earliness(grace: timedelta) -> timedelta:
    """How much too early a job may come and still be the coming run: the grace, and at most five minutes."""
    return min(grace, MOST_EARLY)


def next_due(schedule: str, timezone: str | None, after: datetime, early: timedelta = timedelta(0)) -> Due | None:
    """When a job that came at `after` must have come again; None when its schedule ends, or comes in over 50 years.

    `early` (see `earliness`): what came so little before a run was that run. Raises InvalidInput like `check_schedule`.
    """
    found = _upcoming(schedule, timezone, after, early, 1)
    return found[0] if found else None


def upcoming(schedule: str, timezone: str | None, after: datetime, count: int = 3) -> list[Due]:
    """The next times at which it is due, at most `count`."""
    return list(_upcoming(schedule, timezone, after, timedelta(0), max(0, min(count, MOST))))


@lru_cache(maxsize=_CACHED)
def _upcoming(schedule: str, timezone: str | None, after: datetime, early: timedelta, count: int) -> tuple[Due, ...]:
    """The smallest of the latest moments. Where clocks jump ahead they are not in the order of the runs."""
    found: dict[datetime, str] = {}
    last: datetime | None = None  # the count-th of `found`
    for run in _runs(_parse(schedule, timezone), after, early):
        if last is not None and run.earliest > last:
            break
        found[run.latest] = (
            found.get(run.latest, run.note) and run.note
        )  # a run that is plainly due there needs no note
        if len(found) >= count:
            last = sorted(found)[count - 1]
    return tuple(Due(at, found[at]) for at in sorted(found)[:count])


def _runs(schedule: _Schedule, after: datetime, early: timedelta) -> Iterator[_Run]:
    """Those that `after` does not count for, in the order in which the schedule names them."""
    done: datetime | None = None
    for local in _locals(schedule, after):
        run = _run(local, schedule.zone)
        if run.earliest <= after:
            continue  # it came for this one already, at the first of two times
        if done is None:
            done = run.earliest if run.earliest - after <= early else after
        if run.earliest > done:
            yield run


def _locals(schedule: _Schedule, after: datetime, span: timedelta = HORIZON) -> Iterator[datetime]:
    """Its times as a clock on the wall shows them, which knows nothing of changes."""
    if after.year > _LAST_YEAR:
        return
    sequence = copy.copy(schedule.sequence)
    sequence.dt = after.astimezone(schedule.zone).replace(tzinfo=None, microsecond=0)
    end = sequence.dt + span
    for local in sequence:
        if local > end:
            return
        yield local


def _run(local: datetime, zone: ZoneInfo) -> _Run:
    before = local.replace(tzinfo=zone).utcoffset() or timedelta(0)
    behind = local.replace(tzinfo=zone, fold=1).utcoffset() or timedelta(0)
    moment = (local - before).replace(tzinfo=UTC)
    if before == behind:
        return _Run(moment, moment, "")
    tonight = "today" if 6 <= local.hour < 18 else "tonight"
    if before > behind:
        note = f"{local:%H:%M} came twice {tonight}; the later one counts."
        return _Run(moment, (local - behind).replace(tzinfo=UTC), note)
    note = f"{local:%H:%M} did not exist {tonight}; some schedulers skip it."
    return _Run(_jump(moment, behind - before, zone), moment, note)


def _jump(moment: datetime, by: timedelta, zone: ZoneInfo) -> datetime:
    """When the clock jumped ahead, within `by` before `moment`."""
    low, high = moment - by, moment
    old = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == old else (low, middle)
    return high


# -- reading a schedule


@lru_cache(maxsize=_CACHED)
def _parse(schedule: str, timezone: str | None) -> _Schedule:
    words = (
        schedule.split() if isinstance(schedule, str) and len(schedule) <= LONGEST and schedule.isprintable() else []
    )
    if not words:
        raise InvalidInput(
            say("must be one line of at most {longest} characters; {wanted}", longest=LONGEST, wanted=_WANTED),
            "schedule",
        )
    zone = None if timezone is None else read_zone(timezone)
    if words[0].startswith("@"):
        named = _NAMED.get(schedule.strip().lower())
        if named is None:
            raise InvalidInput(
                say(
                    "{schedule!r} names no time; there are {named}", schedule=schedule, named=", ".join(sorted(_NAMED))
                ),
                "schedule",
            )
        words = named.split()
    if len(words) in (5, 6):
        return _Schedule(_cron(" ".join(words)), zone or ZoneInfo("UTC"))
    own = _own_zone(words)
    if own is not None:
        words, zone = words[:-1], own
    return _Schedule(_oncalendar(" ".join(words)), zone or ZoneInfo("UTC"))


def _reason(error: CronSimError | OnCalendarError) -> str:
    """As the library says it, in words that can be translated where they are known."""
    said = str(error).lower()
    return _REASONS.get(said, said)


_REASONS = {
    "bad second": say("bad second"),
    "bad minute": say("bad minute"),
    "bad hour": say("bad hour"),
    "bad day-of-month": say("bad day of the month"),
    "bad month": say("bad month"),
    "bad day-of-week": say("bad day of the week"),
    "bad year": say("bad year"),
    "bad date": say("bad date"),
    "bad time": say("bad time"),
    "wrong number of fields": say("wrong number of fields"),
}


def _cron(text: str) -> CronSim:
    try:
        return CronSim(text, datetime(2000, 1, 1))  # noqa: DTZ001 - what a clock on the wall shows
    except CronSimError as error:
        raise InvalidInput(
            say("{text!r} is no cron schedule: {lower}; {wanted}", text=text, lower=_reason(error), wanted=_WANTED),
            "schedule",
        ) from None


_OF_CRON = re.compile(r"(\*|\d{1,2})([-/,]\d{1,2})*")
"""What a field of cron looks like, and a part of OnCalendar hardly does."""


def _oncalendar(text: str) -> BaseIterator:
    try:
        return BaseIterator(text, datetime(2000, 1, 1))  # noqa: DTZ001 - what a clock on the wall shows
    except OnCalendarError as error:
        fields = text.split()
        if len(fields) > 1 and all(map(_OF_CRON.fullmatch, fields)):
            why = say(
                "{text!r} is no cron schedule: it has {many} fields, not five or six", text=text, many=len(fields)
            )
        else:
            why = say(
                "{text!r} is neither cron (five or six fields) nor OnCalendar: {error}", text=text, error=_reason(error)
            )
        raise InvalidInput(say("{why}; {wanted}", why=why, wanted=_WANTED), "schedule") from None


def _own_zone(words: list[str]) -> ZoneInfo | None:
    """The zone that OnCalendar may end with, as in `Mon 02:30 Europe/Berlin`."""
    if len(words) < 2 or words[-1][0] in "0123456789*~":
        return None
    try:
        return read_zone(words[-1])
    except InvalidInput:
        return None  # then it is a wrong part of the schedule, which is said of it


@lru_cache(maxsize=_CACHED)
def read_zone(name: str) -> ZoneInfo:
    """InvalidInput, with the field `timezone`, where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError, TypeError):  # unknown; no name at all; the name of a folder
        raise InvalidInput(
            say("there is no time zone {name!r}; wanted is one such as Europe/Berlin", name=name), "timezone"
        ) from None
