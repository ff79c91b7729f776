"""What all nodes on one database have to have alike. Each goes by its own, so where they differ it depends on the node
what is decided: they write it down beside their names, and `lastseen nodes` and `lastseen doctor` compare it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta, tzinfo

from lastseen.durations import NEVER, spell
from lastseen.model.retention import Keep
from lastseen.monitor.deadline import Rules

UNITS = 4
"""Days to seconds: none of them is left out."""


def settings_of(rules: Rules, keep: Keep, zone: tzinfo | None, *, asks_uplink: bool) -> Mapping[str, str]:
    """By the names of the settings, as people read them. No addresses: there may be passwords in them."""
    often = f"{rules.flapping_changes} in {_said(rules.flapping_window)}" if rules.flapping_changes else "off"
    return {
        "MACHINE_OFFLINE_THRESHOLD": _said(None if rules.offline_after == NEVER else rules.offline_after),
        "LASTSEEN_GOODBYE_GRACE": _said(rules.goodbye_grace),
        "LASTSEEN_FLAPPING": often,
        "LASTSEEN_UPLINK_CHECK_URL": "set" if asks_uplink else "not set",
        "LASTSEEN_TIMEZONE": str(zone) if zone is not None else "that of its computer",
        "LASTSEEN_KEEP_EVENTS": _said(keep.events),
        "LASTSEEN_KEEP_ATTEMPTS": _said(keep.attempts),
        "LASTSEEN_KEEP_RUNS": _said(keep.runs),
        "LASTSEEN_KEEP_REPORTS": _said(keep.reports),
    }


def _said(span: timedelta | None) -> str:
    if span is None:
        return "never"
    return f"{span.total_seconds():g} s" if span.microseconds else spell(span, UNITS)
