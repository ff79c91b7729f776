"""A moment as people name it: `03:12`, `Tue 03:12`, `2026-06-01T03:12`. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from lastseen.errors import InvalidInput
from lastseen.words import say

_CLOCK = re.compile(
    r"(?:(?P<day>mon|tue|wed|thu|fri|sat|sun)[a-z]* )?(?P<clock>\d{1,2}:\d{2}(?P<seconds>:\d{2})?)", re.I
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTE, _INSTANT = timedelta(minutes=1), timedelta(microseconds=1)


def named(text: str, now: datetime, zone: tzinfo | None, field: str = "at") -> tuple[datetime, datetime]:
    """The span that is meant, in UTC: a second where seconds are said, else a minute; of a date alone, the day.

    A time of the day is the latest that is past, in `zone` (None: this computer's); so is a moment without an offset.
    Raises InvalidInput naming `field`.
    """
    text = " ".join(text.split())
    found = _CLOCK.fullmatch(text)
    try:
        if found:
            length = timedelta(seconds=1) if found["seconds"] else _MINUTE
            start = _latest(
                time.fromisoformat(found["clock"].zfill(len("00:00") + 3 * bool(found["seconds"]))),
                now,
                zone,
                found["day"],
            )
        else:
            start, length = _dated(text, zone)
    except (ValueError, OverflowError):
        raise InvalidInput(
            say("must be a time such as 03:12, Tue 03:12 or 2026-06-01T03:12, not {text!r}", text=text), field
        ) from None
    if start > now:
        raise InvalidInput(say("{text} is still to come", text=text), field)
    return start, start + length - _INSTANT


def _latest(clock: time, now: datetime, zone: tzinfo | None, weekday: str | None) -> datetime:
    """Of a time that was there twice, when clocks were set back, the second if it is past."""
    today = now.astimezone(zone).date()
    for days in range(8):
        day = today - timedelta(days=days)
        if weekday is not None and _DAYS[day.weekday()] != weekday.lower():
            continue
        for fold in (1, 0):
            moment = _local(day, clock.replace(fold=fold), zone)
            if moment <= now:
                return moment
    raise ValueError


def _dated(text: str, zone: tzinfo | None) -> tuple[datetime, timedelta]:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        start = _local(date.fromisoformat(text), time(), zone)
        return start, _local(date.fromisoformat(text) + timedelta(days=1), time(), zone) - start
    moment = datetime.fromisoformat(text)
    length = timedelta(seconds=1) if re.search(r"T?\d{2}:\d{2}:\d{2}", text) else _MINUTE
    if moment.tzinfo is None:
        moment = _local(moment.date(), moment.time(), zone)
    return moment.astimezone(UTC).replace(microsecond=0), length


def _local(day: date, clock: time, zone: tzinfo | None) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)
