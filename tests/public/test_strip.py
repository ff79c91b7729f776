"""A row of days as a picture: each stretch is drawn once, in its own colour."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lastseen.monitor.uptime import Uptime
from lastseen.web.strip import KINDS, WIDTH, strip

NOON, HOUR, NO = datetime(2026, 3, 28, 12, tzinfo=UTC), timedelta(hours=1), timedelta()


def stretch(kind: str, quiet: bool = False) -> Uptime:
    known, down = (HOUR if kind in ("up", "down") else NO), (HOUR if kind == "down" else NO)
    unknown = HOUR if kind == "unknown" else NO
    return Uptime(NOON, NOON + HOUR, known, down, unknown, HOUR if quiet else NO, int(kind == "down"))


def drawn(picture: str, kind: str) -> list[int]:
    """Which stretches have this colour, as often as they are painted."""
    found = re.search(rf'class="s-{kind}" d="([^"]*)"', picture)
    bars = re.findall(r"M(\d+) 0h(\d+)v10h-\2z", found[1]) if found else []
    return [place // WIDTH for left, wide in bars for place in range(int(left), int(left) + int(wide), WIDTH)]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.booleans()), max_size=40), st.booleans())
def test_each_stretch_is_painted_once_in_the_colour_of_its_kind(days: list[tuple[str, bool]], parted: bool) -> None:
    picture = strip([stretch(*one) for one in days], "days", parted=parted)
    ET.fromstring(picture)
    for kind in KINDS:
        assert drawn(picture, kind) == [number for number, (one, _) in enumerate(days) if one == kind]
    hatched = re.search(r'class="s-hatch"[^>]* d="([^"]*)"', picture)
    lines = re.findall(r"M(\d+) 10l4 -10", hatched[1]) if hatched else []
    assert [int(left) // WIDTH for left in lines] == [number for number, (_, quiet) in enumerate(days) if quiet]


def test_a_label_is_text_whatever_is_in_it() -> None:
    picture = strip([stretch("up")], '"><script>alert(1)</script>')
    assert ET.fromstring(picture).attrib["aria-label"] == '"><script>alert(1)</script>'
    assert "<script" not in picture


def test_ninety_quiet_days_are_a_few_bytes() -> None:
    assert len(strip([stretch("up")] * 90, "90 days")) < 250
