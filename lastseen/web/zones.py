"""Where somebody reads times: in the zone that their browser says, in a cookie that a script of the pages sets."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from starlette.requests import Request

COOKIE: Final = "lastseen-zone"
"""Holds a name such as `Europe/Berlin`; `static/zone.js` sets it."""


def zone_of(request: Request) -> ZoneInfo | None:
    """None: the browser says none, or one that is not known here."""
    return zone_named(request.cookies.get(COOKIE, ""))


def zone_named(name: str) -> ZoneInfo | None:
    """None: there is none of that name. What anybody may say is never looked for among files."""
    return _zone(name) if name in _names() else None


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
