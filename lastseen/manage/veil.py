"""What is told of a shared machine to who may not see all of whom it was told to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from lastseen.model.story import Facts, Told
from lastseen.model.words import NotificationState, replace
from lastseen.words import say, say_many


def veiled(facts: Facts, sees: Callable[[int | None], bool], channels: frozenset[str]) -> Facts:
    """Channels of others have no names, addresses and answers: they are counted, by what became of it. `sees`: what
    belongs to this user, None: shared; `channels`: the uids of those that are seen. Silences of other chats are not
    there."""
    shown = [row for row in facts.told if sees(row.owner)]
    others: dict[tuple[str, str, str], list[Told]] = {}
    for row in facts.told:
        if not sees(row.owner):
            others.setdefault((row.event, row.cause, row.state), []).append(row)
    shown += map(_counted, others.values())
    mutes = (one for one in facts.silences if not one.matcher.channels or channels & {*one.matcher.channels})
    return replace(facts, told=tuple(shown), silences=tuple(mutes))


def _counted(rows: list[Told]) -> Told:
    last = max(rows, key=_when)
    named = say_many("1 channel of others", "{n} channels of others", len({row.channel for row in rows}))
    untold = last.state in (NotificationState.DEAD, NotificationState.CANCELLED, NotificationState.SKIPPED)
    reason = say("why is for those whose it is") if untold else None
    return replace(last, uid="", id=0, channel=named, channel_type="", reason=reason, tries=())


def _when(row: Told) -> datetime:
    return row.finished_at or row.due_at
