"""What a reader of an alert is offered to do about it, where the far end has buttons. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lastseen.model import Action, Event, EventType, Severity
from lastseen.notifiers.storms import Part
from lastseen.notifiers.telling import Told, ended_at
from lastseen.notifiers.wording import one_line, shorten

LONGEST_NAME = 16


def offers(told: Sequence[Told], part: Part | None) -> tuple[Action, ...]:
    """For one machine that is away or in error, and for a group that is away; nothing for what is over."""
    if part is not None and len(part.storm.members) > 1:
        return () if part.back else _of_group(part)
    if len(told) != 1 or ended_at(told[0]) is not None:
        return ()
    event = told[0].delivery.event
    target = f"machine:{event.machine_id}"
    mute = Action("mute", "Mute 1 h", target)
    if event.machine_id is None:
        return ()
    if event.type in (EventType.OFFLINE, EventType.ERROR) or _steady_and_away(event):
        return (Action("ack", "Ack", target), mute)
    return (mute,) if event.type == EventType.FLAPPING else ()


def _steady_and_away(event: Event) -> bool:
    return event.type == EventType.STEADY and event.severity is Severity.ALERT


def _of_group(part: Part) -> tuple[Action, ...]:
    target, name = f"group:{part.storm.group}", shorten(one_line(part.storm.title), LONGEST_NAME)
    return (Action("ack", "Ack all", target), Action("mute", f"Mute {name} 1 h" if name else "Mute 1 h", target))
