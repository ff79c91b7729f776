"""Quiet hours on the clocks of people. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lastseen.errors import InvalidInput
from lastseen.model import Preferences, Quiet
from lastseen.model.wishes import DAYS
from lastseen.words import say

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def quiet_until(quiet: Quiet, now: datetime, zone: tzinfo | None) -> datetime | None:
    """When the quiet hours end that it is in now; None: it is in none. `zone`: of quiet hours that name none.

    On the days on which clocks change they begin and end as a wall clock shows it: a time that is skipped counts as the
    same moment after the gap, one that comes twice as the first.
    """
    ends = [end for start, end in _spans(quiet, now, zone) if start <= now < end]
    return max(ends, default=None)


def _spans(quiet: Quiet, now: datetime, zone: tzinfo | None) -> Iterator[tuple[datetime, datetime]]:
    """Those that may hold `now`: that began today, yesterday or tomorrow on any clock."""
    zone = ZoneInfo(quiet.timezone) if quiet.timezone else zone or UTC
    today = now.astimezone(zone).date()
    start, end = _time(quiet.start), _time(quiet.end)
    for offset in (-1, 0, 1):
        day = today + timedelta(days=offset)
        if not quiet.days or DAYS[day.weekday()] in quiet.days:
            yield _moment(day, start, zone), _moment(day + timedelta(days=end <= start), end, zone)


def _moment(day: date, at: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def _time(text: str) -> time:
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


def checked_wishes(wishes: Preferences) -> Preferences:
    """The same; raises InvalidInput where a value makes no sense."""
    for name in ("notify_after", "repeat_every", "fallback_after"):
        if not 0 <= getattr(wishes, name) <= 30 * 86400:
            raise InvalidInput(say("must be from 0 to 30 days"), name)
    if 0 < wishes.repeat_every < 60:
        raise InvalidInput(say("must be a minute or more"), "repeat_every")
    if wishes.quiet is not None:
        _check(wishes.quiet)
    return wishes


def _check(quiet: Quiet) -> None:
    for name in ("start", "end"):
        if not _CLOCK.fullmatch(getattr(quiet, name)):
            raise InvalidInput(say("must be a time such as 22:00"), f"quiet.{name}")
    if quiet.start == quiet.end:
        raise InvalidInput(say("must differ from its start"), "quiet.end")
    unknown = [day for day in quiet.days if day not in DAYS]
    if unknown:
        raise InvalidInput(
            say("must be of {days}, not {unknown!r}", days=" ".join(DAYS), unknown=unknown[0]), "quiet.days"
        )
    if quiet.timezone is not None:
        try:
            ZoneInfo(quiet.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidInput(
                say("there is no time zone {timezone!r}", timezone=quiet.timezone), "quiet.timezone"
            ) from None
