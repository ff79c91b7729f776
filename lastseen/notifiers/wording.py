"""Lines of text with bold parts, as plain text and as HTML; local times; names cut to what a lock screen shows."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from lastseen.durations import spelled
from lastseen.words import Words, say

TITLE = 42
"""Characters of a first line that a lock screen shows."""

SHORTEST_NAME = 12
"""A name is not cut below this, even where the title is too long then."""

LONGEST_LINE = 600
LIMIT = 4096
"""Telegram's limit for a message after its entities are parsed, in UTF-16 units."""

WEEKDAYS = (say("Mon"), say("Tue"), say("Wed"), say("Thu"), say("Fri"), say("Sat"), say("Sun"))
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `before`, then `bold` in bold, then `after`."""

    before: str = ""
    bold: str = ""
    after: str = ""

    @property
    def text(self) -> str:
        return self.before + self.bold + self.after

    @property
    def html(self) -> str:
        bold = f"<b>{escape(self.bold)}</b>" if self.bold else ""
        return escape(self.before) + bold + escape(self.after)


def escape(text: str) -> str:
    return html.escape(text, quote=False)


def one_line(text: str) -> str:
    """Without line breaks, control characters and runs of spaces."""
    return _BLANK.sub(" ", text).strip()


def shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(length - 1, 1)].rstrip() + "…"


def lasted(span: timedelta) -> str:
    """How long something took. No seconds beside ten minutes: `39 min`, but `1 min 30 s`, `3 h 12 min`."""
    return took(span)[:]


def took(span: timedelta) -> Words:
    """As `lasted`, for people who may read another language."""
    return spelled(span, units=1 if timedelta(minutes=10) <= span < timedelta(hours=1) else 2)


def headline(before: str, name: str, after: str) -> Line:
    """A first line; the name is cut where the whole would be too long for a lock screen."""
    name = one_line(name) or "?"
    room = max(TITLE - len(before) - len(after), SHORTEST_NAME)
    return Line(before, shorten(name, room), after)


def body(lines: Sequence[str]) -> tuple[Line, ...]:
    """Plain lines, empty ones left out, each of a bearable length."""
    return tuple(Line(shorten(line, LONGEST_LINE)) for line in map(one_line, lines) if line)


def fit(lines: Sequence[Line]) -> tuple[Line, ...]:
    """As many lines as a message holds, and how many are missing."""
    room = LIMIT - 40  # for the line that says how many are missing
    kept: list[Line] = []
    for line in lines:
        room -= _units(line.text) + 1
        if room < 0:
            return (*kept, Line(f"… and {len(lines) - len(kept)} more lines"))
        kept.append(line)
    return tuple(kept)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@dataclass(frozen=True, slots=True)
class When:
    """Speaks of moments as they look from `now` in `zone` (None: the computer's). `abroad`: that is not the zone that a
    command would read a time in."""

    now: datetime
    zone: tzinfo | None = None
    abroad: bool = False

    def at(self, moment: datetime, seconds: bool = False) -> str:
        """`03:00`, `Tue 03:00` when it is another day, `2025-10-10 03:00` when it is more than six days away."""
        return self.said(moment, seconds)[:]

    def said(self, moment: datetime, seconds: bool = False) -> Words:
        """As `at`, for people who may read another language."""
        local = moment.astimezone(self.zone)
        day, clock = self._day(local), local.strftime("%H:%M:%S" if seconds else "%H:%M")
        return Words("{day} {clock}", day=day, clock=clock) if day else Words(clock)

    def recently(self, moment: datetime) -> str:
        """As `at`, with a word for the day before today: `yesterday 03:16`."""
        local = moment.astimezone(self.zone)
        if self.now.astimezone(self.zone).date() - local.date() == timedelta(days=1):
            return f"yesterday {local:%H:%M}"
        return self.at(moment)

    def span(self, start: datetime, end: datetime) -> str:
        """`03:00–03:40`; the day once where both are on the same, and seconds where the minutes are the same."""
        return self.said_span(start, end)[:]

    def said_span(self, start: datetime, end: datetime) -> Words:
        """As `span`, for people who may read another language."""
        last = end.astimezone(self.zone)
        if start.astimezone(self.zone).date() != last.date():
            return Words("{start}–{end}", start=self.said(start), end=self.said(end))
        seconds = self.at(start) == self.at(end)
        clock = last.strftime("%H:%M:%S" if seconds else "%H:%M")
        return Words("{start}–{end}", start=self.said(start, seconds), end=clock)

    def _day(self, local: datetime) -> str:
        today = self.now.astimezone(self.zone).date()
        if local.date() == today:
            return ""
        if abs(today - local.date()) <= timedelta(days=6):
            return WEEKDAYS[local.weekday()]
        return local.date().isoformat()
