"""Events about lastseen itself: what they carry, and plain words for what a database says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lastseen.clock import rfc3339
from lastseen.model.names import subject_event_uid
from lastseen.model.outbox import Event
from lastseen.model.words import EventType, Severity

_WORDS = {
    "disk is full": "disk full",
    "No space left": "disk full",
    "quota": "disk full",
    "is locked": "locked",
    "was deleted": "file gone",
    "was replaced": "file gone",
    "unable to open": "file gone",
    "readonly": "read-only",
    "read-only": "read-only",
    "disk I/O": "disk error",
    "malformed": "damaged",
    "not a database": "damaged",
}

FULL = "disk full"
HANGS = "no answer"


def plainly(text: str) -> str:
    """What keeps a database from being written, in a word or two: for a lock screen."""
    return next((words for part, words in _WORDS.items() if part.lower() in text.lower()), HANGS)


def system_event(
    type_: EventType,
    uid: str,
    at: datetime,
    since: datetime,
    *,
    incident: str | None = None,
    reason: str = "",
    ends: bool = False,
    **more: Any,
) -> Event:
    """About no machine. `more`: what its texts read beside `since`."""
    snapshot: Mapping[str, Any] = {"machine": None, "since": rfc3339(since), "message": reason, **more}
    return Event(
        uid=uid,
        type=type_.value,
        severity=Severity.INFO if ends else Severity.ALERT,
        at=at,
        reason=reason,
        incident=incident,
        snapshot=snapshot,
    )


def store_lost(since: datetime, at: datetime, why: str) -> Event:
    """That the database cannot be written."""
    uid = subject_event_uid(EventType.STORE_LOST, "store", since)
    return system_event(EventType.STORE_LOST, uid, at, since, incident=uid, reason=why)


def store_restored(since: datetime, until: datetime, at: datetime, why: str, **more: Any) -> Event:
    """That it can be written again. `more`: `held`, `heard`, `waiting`, as of a source that hears again."""
    uid = subject_event_uid(EventType.STORE_RESTORED, "store", since)
    lost = subject_event_uid(EventType.STORE_LOST, "store", since)
    seconds = round((until - since).total_seconds(), 3)
    return system_event(
        EventType.STORE_RESTORED, uid, at, since, incident=lost, reason=why, ends=True, seconds=seconds, **more
    )
