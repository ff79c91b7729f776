"""The texts about machines that change too often, and that hold still again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from lastseen.durations import spell
from lastseen.model import Event, Severity, Status
from lastseen.notifiers.telling import (
    ALERT,
    FAULT,
    GOOD,
    Item,
    Told,
    about_of,
    ended_at,
    mapping,
    moment,
    name_of,
    seconds,
    since_of,
)
from lastseen.notifiers.wording import When, lasted

NO_TIME = timedelta(0)


def flapping(told: Told, when: When) -> Item:
    """That it changes too often, and what it is now; in one with its end where that came meanwhile."""
    event = told.delivery.event
    if told.ended is not None:
        calm = told.ended.event
        return Item(GOOD, name_of(event), f" flapped {_span(calm, when)}", ("", _changes(calm)), instead=True)
    window = spell(seconds(_flaps(event).get("window_seconds")) or NO_TIME)
    then = f"At {when.at(event.at)}" if told.late else "Now"
    lines = (f"I stay quiet until it holds still for {window}. {then}: {_status(event)}.", about_of(event))
    return Item(FAULT, name_of(event), f" flapping: {_count(event)} in {window}", lines, word="flapping")


def steady(told: Told, when: When) -> Item:
    """Its end. Where it is not online now this is the alert: nobody was told of that change."""
    event = told.delivery.event
    if event.severity is not Severity.ALERT:
        still = event.at - (moment(_flaps(event).get("until")) or event.at)
        lines = (f"{_changes(event).removesuffix('.')}, {_span(event, when)}.",)
        return Item(GOOD, name_of(event), f" steady: online for {lasted(still)}", lines, word="steady")
    since, over = since_of(event), ended_at(told)
    if over is not None:
        span = f"{when.span(since, over)} ({lasted(over - since)})"
        return Item(GOOD, name_of(event), f" was {_status(event)} {span}", ("", about_of(event)), instead=True)
    mark = FAULT if event.status is Status.ERROR else ALERT
    after = f" {_status(event)} since {when.at(since)}, after {_count(event)}"
    return Item(mark, name_of(event), after, ("", about_of(event)), instead=True)


def _flaps(event: Event) -> Mapping[str, Any]:
    return mapping(event.snapshot.get("flaps"))


def _count(event: Event) -> str:
    count = _flaps(event).get("changes")
    return f"{count} change{'' if count == 1 else 's'}" if isinstance(count, int) else "many changes"


def _changes(event: Event) -> str:
    offline = seconds(_flaps(event).get("offline_seconds"))
    return _count(event) + (f", {lasted(offline)} offline in total." if offline else ".")


def _span(event: Event, when: When) -> str:
    begin: datetime = moment(_flaps(event).get("since")) or event.at
    return when.span(begin, moment(_flaps(event).get("until")) or event.at)


def _status(event: Event) -> str:
    return "in error" if event.status is Status.ERROR else str(event.status or "?")
