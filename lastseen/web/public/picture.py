"""A badge as a picture, and as shields.io reads it. Pure text."""

from __future__ import annotations

import json
from html import escape
from typing import Final

from lastseen.manage.status_view import BadgeView

COLOURS: Final = {
    "brightgreen": "#27793f",
    "green": "#4b7f1f",
    "yellow": "#8a6d00",
    "orange": "#b3541e",
    "red": "#c0392b",
    "lightgrey": "#6b757c",
}
"""Dark enough for white letters (4.5 to 1)."""

HEIGHT, PAD, SIZE = 20, 6, 11
_NARROW, _WIDE = "iljtfr.,:;!|'()[] I1-", "mwMW@%&"

SHIELDS_CACHE = 300
"""Seconds; shields.io takes no less."""


def svg(view: BadgeView) -> str:
    """Both texts are set to the width that is reckoned for them: letters differ from one computer to the next."""
    view = BadgeView(_drawn(view.label), _drawn(view.message), view.colour)
    left, right = width(view.label), width(view.message)
    ends = left + 2 * PAD, left + right + 4 * PAD
    title = escape(f"{view.label}: {view.message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{ends[1]}" height="{HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>"
        f'<clipPath id="c"><rect width="{ends[1]}" height="{HEIGHT}" rx="3"/></clipPath>'
        f'<g clip-path="url(#c)"><rect width="{ends[0]}" height="{HEIGHT}" fill="#3f474d"/>'
        f'<rect x="{ends[0]}" width="{ends[1] - ends[0]}" height="{HEIGHT}" fill="{COLOURS[view.colour]}"/></g>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="{SIZE}">'
        f"{_text(PAD, left, view.label)}{_text(ends[0] + PAD, right, view.message)}</g></svg>"
    )


def _drawn(text: str) -> str:
    """XML has no way to hold most control characters."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def _text(x: int, wide: int, text: str) -> str:
    return f'<text x="{x}" y="14" textLength="{wide}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'


def width(text: str) -> int:
    """In pixels, about."""
    return round(sum(4 if one in _NARROW else 10 if one in _WIDE or ord(one) > 0x2E80 else 7 for one in text)) or 1


def shields(view: BadgeView) -> str:
    """What shields.io's endpoint badge reads."""
    said = {
        "schemaVersion": 1,
        "label": view.label,
        "message": view.message,
        "color": view.colour,
        "cacheSeconds": SHIELDS_CACHE,
    }
    return json.dumps(said, ensure_ascii=False)
