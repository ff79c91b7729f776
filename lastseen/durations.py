"""Durations as people write them: `90s`, `2m`, `1h30m`, `never`."""

from __future__ import annotations

import re
from datetime import timedelta

from lastseen.errors import InvalidInput
from lastseen.words import Words, listed, say

NEVER = timedelta(0)
"""As a threshold: this machine is never offline by silence. Stored as 0 seconds."""

_LONGEST, _OLDEST = timedelta(days=365), timedelta(days=36_500)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")

Duration = timedelta | str | int | float
"""What the public API takes: a timedelta, a text such as "2m", or a number of seconds."""


def parse_duration(value: Duration, field: str = "duration", *, zero: bool = False) -> timedelta:
    """A positive duration of at most a year; with `zero`, also none. InvalidInput names `field` otherwise."""
    parsed = _parse(value, field)
    if zero and not parsed:
        return parsed
    if not timedelta(0) < parsed <= _LONGEST:
        raise InvalidInput(say("must be more than 0 and at most 365 days, not {value!r}", value=value), field)
    return parsed


def parse_threshold(value: Duration | None, field: str = "offline_after") -> timedelta | None:
    """As parse_duration, and `never` (NEVER) and None (inherit) are legal too."""
    if value is None:
        return None
    if value == "never" or value == NEVER:
        return NEVER
    return parse_duration(value, field)


def parse_age(value: Duration, field: str, least: timedelta) -> timedelta | None:
    """How long something is kept: at least `least`, at most 100 years; None is for ever (`never`)."""
    if value == "never":
        return None
    parsed = _parse(value, field)
    if not least <= parsed <= _OLDEST:
        raise InvalidInput(
            say(
                "must be at least {least} and at most 36500 d, or never, not {value!r}",
                least=spell(least, 1),
                value=value,
            ),
            field,
        )
    return parsed


def _parse(value: Duration, field: str) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool):
        raise InvalidInput(say("must be a duration such as 90s, 2m or 1h30m"), field)
    if isinstance(value, int | float):
        return _seconds(float(value), field)
    text = value.strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return _seconds(float(text), field)
    parts = _PART.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise InvalidInput(say("must be a duration such as 90s, 2m or 1h30m, not {value!r}", value=value), field)
    return _seconds(sum(float(n) * _UNITS[u] for n, u in parts), field)


def _seconds(value: float, field: str) -> timedelta:
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise InvalidInput(say("is too long: at most 365 days"), field) from None


def parse_often(value: str, field: str = "flapping") -> tuple[int, timedelta]:
    """How often within how long: `6/30m`. `off` is (0, 30 minutes). Raises InvalidInput."""
    count, slash, span = value.strip().partition("/")
    if value.strip() == "off":
        return 0, timedelta(minutes=30)
    if not slash or not count.isascii() or not count.isdecimal() or not 2 <= int(count[:5]) <= 200:
        raise InvalidInput(
            say("must be from 2 to 200 changes in a span, such as 6/30m, or off, not {value!r}", value=value), field
        )
    return int(count), parse_duration(span, field)


def spell(value: timedelta, units: int = 2) -> str:
    """One or two units, rounded down: `39 min`, `3 h 12 min`, `2 min`, `6 h 4 min`, `12 s`."""
    return spelled(value, units)[:]


def spelled(value: timedelta, units: int = 2) -> Words:
    """The same for people who may read another language."""
    seconds = max(0, int(value.total_seconds()))
    words: list[Words] = []
    for of_them, size in ((_days, 86_400), (_hours, 3600), (_minutes, 60), (_seconds_of, 1)):
        count, seconds = divmod(seconds, size)
        if count:
            words.append(of_them(count))
        elif words:
            break
    return listed(words[:units], " ") if words else _seconds_of(0)


def _days(n: int) -> Words:
    return say("{n} d", n=n)


def _hours(n: int) -> Words:
    return say("{n} h", n=n)


def _minutes(n: int) -> Words:
    return say("{n} min", n=n)


def _seconds_of(n: int) -> Words:
    return say("{n} s", n=n)
