"""The texts about lastseen's own troubles. Pure. They read `since` and `message` of the snapshot, and what is named
below."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lastseen.durations import spell
from lastseen.model import Event
from lastseen.model.system import FULL
from lastseen.notifiers.telling import (
    GOOD,
    PLAIN,
    WARNING,
    Item,
    Told,
    about_of,
    mapping,
    name_of,
    seconds,
    since_of,
)
from lastseen.notifiers.texts_sources import again
from lastseen.notifiers.wording import When, lasted

GB, MB = 1_000_000_000, 1_000_000


def store_lost(told: Told, when: When) -> Item:
    event = told.delivery.event
    why = _said(event)
    until = "there is space" if why == FULL else "it can be written"
    return Item(
        WARNING,
        "I",
        f" cannot write since {when.at(since_of(event))}{f': {why}' if why else ''}",
        (f"Heartbeats are refused and nobody is judged until {until}.",),
        word="cannot write",
    )


def store_restored(told: Told, when: When) -> Item:
    """`seconds`: how long it lasted; `held`, `heard`, `waiting`: as of a source."""
    event, since = told.delivery.event, since_of(told.delivery.event)
    span = seconds(event.snapshot.get("seconds")) or timedelta(0)
    why = _said(event)
    lines = (
        f"{when.span(since, since + span)}{f': {why}' if why else ''}.",
        again(event, when) if "heard" in event.snapshot else "",
        "No outage is counted.",
    )
    return Item(GOOD, "I", f" can write again after {lasted(span)}", lines)


def disk_low(told: Told, when: When) -> Item:
    """`disk`: `free`, `total` and `mark`, in bytes, and its `folder`."""
    event = told.delivery.event
    disk = _disk(event)
    free, total = size(disk.get("free")), size(disk.get("total"))
    where = f"{free} of {total} free in {disk.get('folder') or '?'}, since {when.at(since_of(event))}."
    line = "When it is full, heartbeats are refused and nobody is judged."
    return Item(WARNING, "Disk", f" almost full: {free} left", (where, line), word="almost full")


def disk_ok(told: Told, when: When) -> Item:
    event = told.delivery.event
    disk, since = _disk(event), since_of(event)
    after = f" has room again: {size(disk.get('free'))} free"
    return Item(GOOD, "Disk", after, (f"It was almost full {when.span(since, event.at)}.",), word="has room again")


def never_reported(told: Told, when: When) -> Item:
    """`declared`: when it was made."""
    event = told.delivery.event
    waited = max(event.at - since_of(event), timedelta(0))
    lines = (
        f"Declared {when.at(since_of(event))}, {spell(waited, units=1)} ago; it cannot be missed.",
        "Does it run there, with its own key?",
        about_of(event),
    )
    return Item(PLAIN, name_of(event), " never reported", lines, word="never reported")


def no_channel(told: Told, when: When) -> Item:
    line = "There are machines, and no channel that is switched on."
    return Item(WARNING, "Nobody", f" can be told since {when.at(since_of(told.delivery.event))}", (line,))


def channel_back(told: Told, when: When) -> Item:
    event = told.delivery.event
    line = f"Nobody could be told {when.span(since_of(event), event.at)}."
    return Item(GOOD, "Somebody", " can be told again", (line,))


def size(value: Any) -> str:
    """`900 MB`, `2.4 GB`."""
    if not isinstance(value, int | float):
        return "?"
    return f"{value / GB:,.1f} GB" if value >= GB else f"{value / MB:,.0f} MB"


def _disk(event: Event) -> Mapping[str, Any]:
    return mapping(event.snapshot.get("disk"))


def _said(event: Event) -> str:
    return str(event.snapshot.get("message") or event.reason or "")
