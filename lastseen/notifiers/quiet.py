"""Quiet hours on the clocks of people, and wishes that make no sense. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lastseen.errors import InvalidInput
from lastseen.model import ENDS, EventType, Preferences, Quiet
from lastseen.model.wishes import DAYS
from lastseen.model.words import BEGUN_BY, FOLLOWS, INFOS, MERE_ENDS
from lastseen.words import say

TOLD = tuple(
    one.value for one in EventType if one not in (EventType.CHANNEL_TEST, EventType.NO_CHANNEL, EventType.CHANNEL_BACK)
)
"""Types of events that a channel may wish for: the others go past its wishes, or are told to nobody."""

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
    check_events(wishes)
    if wishes.quiet is not None:
        _check(wishes.quiet)
    return wishes


def check_events(wishes: Preferences) -> None:
    """Raises InvalidInput where a wish for events would, however it came there, never be heard of: that would silence
    the channel without a word."""
    _check_types(wishes.events)
    for pattern, fits in _unheard(wishes.events):
        if fits <= MERE_ENDS:
            raise InvalidInput(
                say(
                    "{pattern!r} is told only to those who are told of what it ends: wish for {alert} too",
                    pattern=pattern,
                    alert=BEGUN_BY[EventType(min(fits))][0].value,
                ),
                "events",
            )
    check_severity(wishes)


def check_severity(wishes: Preferences) -> None:
    """Raises InvalidInput where alerts and their ends are wished for, and by its name what is neither."""
    for pattern, fits in _unheard(wishes.events):
        if wishes.severity == "alert" and not fits <= MERE_ENDS:
            raise InvalidInput(
                say(
                    "{pattern!r} is no alert, and ends none that is wished: it is told where the severity is info",
                    pattern=pattern,
                ),
                "severity",
            )


def _unheard(patterns: tuple[str, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    """Those that fit no alert, and nothing that follows one that is wished, with the types that they fit."""
    for pattern in patterns:
        fits = frozenset(type_ for type_ in TOLD if fnmatchcase(type_, pattern))
        begun = [alert for type_ in fits & FOLLOWS.keys() for alert in FOLLOWS[EventType(type_)]]
        if fits and fits <= ENDS | INFOS and not any(fnmatchcase(one, wish) for one in begun for wish in patterns):
            yield pattern, fits


def _check_types(patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        if any(fnmatchcase(type_, pattern) for type_ in TOLD):
            continue
        families = (f"{type_.partition('.')[0]}.*" for type_ in TOLD)
        near = difflib.get_close_matches(pattern.lower(), [*TOLD, *dict.fromkeys(families)], n=1)
        if near:
            raise InvalidInput(
                say(
                    "{pattern!r} fits no type of event that is told: did you mean {near!r}?",
                    pattern=pattern,
                    near=near[0],
                ),
                "events",
            )
        raise InvalidInput(
            say(
                "{pattern!r} fits no type of event that is told, such as machine.offline or machine.*", pattern=pattern
            ),
            "events",
        )


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
