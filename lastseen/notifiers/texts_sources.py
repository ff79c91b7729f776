"""The texts about ways in that were blind, and hear again. Pure.

They read of the snapshot: `source` (`{id, name, kind}`), `since`, `seconds` (how long it was blind), `held` (how many
machines are not judged meanwhile); and, where somebody knows it, `heard` and `waiting`: how many of those have been
heard again, and the names of those that have not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lastseen.model import Event
from lastseen.notifiers.telling import GOOD, HELD, PLAIN, Item, Told, mapping, name_of, seconds, since_of
from lastseen.notifiers.wording import When, lasted

MOST_NAMES = 5
_OWN = "http"  # what hears nobody then is lastseen itself
_WHY = {
    "stopped": "I was not running.",
    "stalled": "This computer was asleep, or too busy.",
    "clock": "The clock jumped ahead, or this computer slept.",
    "store": "I could not write to the database.",
    "uplink": "My own line was down.",
}


def blind(told: Told, when: When) -> Item:
    event, since = told.delivery.event, since_of(told.delivery.event)
    if told.ended is not None:
        return restored(Told(told.ended, late=told.late), when)
    held, be = _counted(event), "is" if event.snapshot.get("held") == 1 else "are"
    line = f"{held} {be} held: unknown until it is back." if held else ""
    if _kind(event) == _OWN:
        return Item(HELD, "I", f" hear nobody since {when.at(since)}", (_WHY.get(event.reason, ""), line))
    return Item(HELD, name_of(event), f" lost since {when.at(since)}", (line,), before=_before(event))


def restored(told: Told, when: When) -> Item:
    event, since = told.delivery.event, since_of(told.delivery.event)
    span = seconds(event.snapshot.get("seconds"))
    until = event.at if span is None else since + span
    if _kind(event) == _OWN:
        held = f"{_counted(event)} {_were(event)} held." if _counted(event) else ""
        why = _WHY.get(event.reason, "")
        lines = (
            f"{why} {held}".strip(),
            again(event, when) if "heard" in event.snapshot else "",
            "No outage is counted.",
        )
        return Item(PLAIN, "I", f" heard nobody {when.span(since, until)}", lines)
    after = f" back after {lasted(max(until - since, timedelta(0)))}"
    return Item(GOOD, name_of(event), after, (again(event, when),), before=_before(event))


def again(event: Event, when: When) -> str:
    """How many of those that were held have been heard again, and some that were not."""
    held, heard, waiting = (event.snapshot.get(key) for key in ("held", "heard", "waiting"))
    if isinstance(heard, int) and isinstance(held, int):
        names = [str(name) for name in waiting] if isinstance(waiting, list | tuple) else []
        left = max(held - heard, len(names))
        shown = names[:MOST_NAMES]
        more = f" and {left - len(shown)} more" if left > len(shown) else ""
        rest = f" Waiting for: {', '.join(shown)}{more}" if shown else ""
        return f"{heard} of {held} heard again.{rest}"
    return f"{_counted(event)} {_were(event)} held; no outage is counted." if _counted(event) else ""


def _counted(event: Event) -> str:
    """`40 devices`; "" for none, or where nobody knows."""
    held = event.snapshot.get("held")
    if not isinstance(held, int) or held <= 0:
        return ""
    return f"{held} {'device' if _kind(event) == 'mqtt' else 'machine'}{'' if held == 1 else 's'}"


def _were(event: Event) -> str:
    return "was" if event.snapshot.get("held") == 1 else "were"


def _source(event: Event) -> Mapping[str, Any]:
    return mapping(event.snapshot.get("source"))


def _kind(event: Event) -> str:
    return str(_source(event).get("kind") or "")


def _before(event: Event) -> str:
    return "Broker " if _kind(event) == "mqtt" else "Source "
