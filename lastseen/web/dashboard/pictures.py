"""The picture of a machine's last day or days, with what it shows in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from lastseen.durations import spelled
from lastseen.manage.overview import Pictured
from lastseen.monitor.uptime import Uptime
from lastseen.notifiers.wording import WEEKDAYS, When
from lastseen.web.strip import strip
from lastseen.words import Words, listed, say, say_many

SPANS = {"24h": say("24 h"), "30d": say("30 days"), "90d": say("90 days")}

MONTHS = (
    *(say("Jan"), say("Feb"), say("Mar"), say("Apr"), say("May"), say("Jun")),
    *(say("Jul"), say("Aug"), say("Sep"), say("Oct"), say("Nov"), say("Dec")),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """`percent`: of the time it was up, as people read it; None: nothing is known."""

    pieces: Sequence[Uptime]
    words: Words
    percent: str | None
    parted: bool

    @property
    def svg(self) -> Markup:
        """In the language of the page that it is put into."""
        return strip(self.pieces, self.words, parted=self.parted)


def picture(one: Pictured, span: str, when: When) -> Picture:
    words = summary(one.whole, one.pieces, span, when)
    return Picture(one.pieces, words, one.whole.percent, span != "24h")


def summary(whole: Uptime, pieces: Sequence[Uptime], span: str, when: When) -> Words:
    """`24 h: 99.30 % up, 1 outage, 10 min in all, the last around 03:00`."""
    if whole.kind == "none":
        return say("{span}: not watched", span=SPANS[span])
    if whole.percent is None:
        return say("{span}: nothing is known, its source could hear nobody", span=SPANS[span])
    said = [say("{span}: {percent} up", span=SPANS[span], percent=f"{whole.percent} %")]
    if whole.outages:
        said.append(say_many("1 outage", "{n} outages", whole.outages))
        said.append(say("{time} in all", time=spelled(whole.down)))
        last = next((piece for piece in reversed(pieces) if piece.down), None)
        said += [] if last is None else [_around(last, span, when)]
    if whole.unknown:
        said.append(say("{time} unknown", time=spelled(whole.unknown)))
    if whole.silenced:
        said.append(say("{time} silenced", time=spelled(whole.silenced)))
    return listed(said)


def _around(piece: Uptime, span: str, when: When) -> Words:
    if span == "24h":
        return say("the last around {time}", time=when.said(piece.start))
    day = (piece.start + timedelta(hours=12)).astimezone(when.zone)
    words = {"weekday": WEEKDAYS[day.weekday()], "day": f"{day.day:02}", "month": MONTHS[day.month - 1]}
    return say("the last on {weekday} {day} {month}", **words)
