"""The picture of a machine's last day or days, with what it shows in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from lastseen.durations import spell
from lastseen.manage.overview import Pictured
from lastseen.monitor.uptime import Uptime
from lastseen.notifiers.wording import When
from lastseen.web.strip import strip

WORDS = {"24h": "24 h", "30d": "30 days", "90d": "90 days"}


@dataclass(frozen=True, slots=True)
class Picture:
    """`percent`: of the time it was up, as people read it; None: nothing is known."""

    svg: Markup
    percent: str | None


def picture(one: Pictured, span: str, when: When) -> Picture:
    svg = strip(one.pieces, summary(one.whole, one.pieces, span, when), parted=span != "24h")
    return Picture(svg, one.whole.percent)


def summary(whole: Uptime, pieces: Sequence[Uptime], span: str, when: When) -> str:
    """`24 h: 99.30 % up, 1 outage, 10 min in all, the last around 03:00`."""
    if whole.kind == "none":
        return f"{WORDS[span]}: not watched"
    if whole.percent is None:
        return f"{WORDS[span]}: nothing is known, its source could hear nobody"
    said = [f"{WORDS[span]}: {whole.percent} % up"]
    if whole.outages:
        many = "1 outage" if whole.outages == 1 else f"{whole.outages} outages"
        last = next((piece for piece in reversed(pieces) if piece.down), None)
        around = "" if last is None else f", the last {_around(last, span, when)}"
        said.append(f"{many}, {spell(whole.down)} in all{around}")
    if whole.unknown:
        said.append(f"{spell(whole.unknown)} unknown")
    if whole.silenced:
        said.append(f"{spell(whole.silenced)} silenced")
    return ", ".join(said)


def _around(piece: Uptime, span: str, when: When) -> str:
    if span == "24h":
        return f"around {when.at(piece.start)}"
    return f"on {(piece.start + timedelta(hours=12)).astimezone(when.zone):%a %d %b}"
