"""The last lines of a message: who has seen what it tells of, and what is muted in this chat. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lastseen.model import Acked, Event, Severity, Silence
from lastseen.notifiers.storms import Part, acked_of
from lastseen.notifiers.telling import Told, ended_at, name_of
from lastseen.notifiers.texts_storms import names
from lastseen.notifiers.wording import When, one_line

MUTED_BY = " muted by "
"""What the bot's names of silences are made with."""


def open_ones(told: Sequence[Told], part: Part | None) -> list[tuple[str, Acked | None]]:
    """The names of those that are still away or in error by this message, and who has seen that."""
    if part is not None and part.back:
        return []
    if part is not None and len(part.storm.members) > 1:
        missing = (one for one in part.storm.members.values() if one.back_at is None and not one.word)
        return [(one.name, one.acked) for one in missing]
    return [(name_of(one.delivery.event), acked_of(one.delivery)) for one in told if _lasts(one)]


def _lasts(told: Told) -> bool:
    event = told.delivery.event
    return event.incident is not None and event.severity is Severity.ALERT and ended_at(told) is None


def all_seen(given: Sequence[tuple[str, Acked | None]]) -> bool:
    return bool(given) and all(acked is not None for _, acked in given)


def seen_lines(given: Sequence[tuple[str, Acked | None]], when: When) -> list[str]:
    """`Ack: Eva 03:05`; with the names where they have not seen all of it."""
    by: dict[str, list[tuple[str, Acked]]] = {}
    for name, acked in given:
        if acked is not None:
            by.setdefault(one_line(acked.by), []).append((name, acked))
    lines = []
    for who, seen in by.items():
        which = "" if len(seen) == len(given) else f" ({names([name for name, _ in seen])})"
        lines.append(f"Ack: {who} {when.at(min(acked.at for _, acked in seen))}{which}")
    return lines


def muted(mutes: Sequence[Silence], event: Event) -> list[Silence]:
    """Those of these that hold back what happens to it."""
    return [one for one in mutes if one.matcher.misses(event.snapshot) is None]


def muted_lines(mutes: Sequence[Silence], when: When) -> list[str]:
    return [f"🔕 {one.name.partition(MUTED_BY)[0]} muted until {when.at(one.ends_at)}" for one in mutes]
