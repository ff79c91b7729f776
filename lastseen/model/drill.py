"""What marks a machine as the canary of a drill (`lastseen drill`), and what follows from that. Pure.

It is in the machine's slug and tags, and so in every event's snapshot: whoever decides and sends needs to know nothing
of drills that run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

TAG = "drill"
PREFIX = "drill-"
ONLY = "drill-for:"
"""A tag that begins so ends with the id of a channel: the drill is for the channels named like that alone."""

LASTS = timedelta(minutes=15)
"""What was not told by then is told to nobody: a drill is no news."""


def tags_of(channels: Collection[int]) -> tuple[str, ...]:
    """A canary's tags. `channels`: ids of those that the drill is for; none: for all."""
    return (TAG, *(f"{ONLY}{channel}" for channel in sorted(channels)))


def is_drill(snapshot: Mapping[str, Any]) -> bool:
    """Is an event with this snapshot a canary's?"""
    return TAG in (snapshot.get("tags") or ()) and str(snapshot.get("slug") or "").startswith(PREFIX)


def not_for(channel: int, snapshot: Mapping[str, Any]) -> str | None:
    """Why this channel (by its id) is left out of a drill; None: it is not, or it is none."""
    if not is_drill(snapshot):
        return None
    wanted = {tag for tag in snapshot["tags"] if tag.startswith(ONLY)}
    return "a drill for other channels" if wanted and f"{ONLY}{channel}" not in wanted else None


def is_over(at: datetime, snapshot: Mapping[str, Any], now: datetime) -> bool:
    """A drill's event that happened `at`, and was not told since."""
    return is_drill(snapshot) and now - at > LASTS
