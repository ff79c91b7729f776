"""What is told of ways in that could not hear for long, and of their end.

===========================  ===========================================================================================
a spell (`blindness.Spell`)  what is told
===========================  ===========================================================================================
open, shorter than a limit   nothing yet
open, at the limit           `source.blind`
over, and was told           `source.restored`, when its machines were heard again, or after the last of `RALLY`
over, was long, untold       the same; `source.blind` is an event too, told to nobody: it was over (we were stopped)
over, and was short          nothing
===========================  ===========================================================================================

A spell in which the store could not be written is told as `system.store_lost` and `system.store_restored` instead: the
beginning went out from memory where it lasted for a minute (`lastseen.notifiers.emergency`). It is written down with
the end, which goes to those who were told, and after `ALERT_AFTER` to everybody. So is the time after which a process
was stopped that had told it.

The limit is `ALERT_AFTER`. An event's uid comes of the source and the spell's beginning, so that whoever
looks after a restart finds what was told of it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from lastseen.clock import Clock, rfc3339
from lastseen.log import get_logger
from lastseen.model import (
    BlindReason,
    Channel,
    Event,
    EventType,
    Notification,
    NotificationState,
    Severity,
    replace,
    subject_event_uid,
)
from lastseen.model.insight import Muster
from lastseen.model.system import plainly, store_lost, store_restored
from lastseen.monitor.audience import notify, skipped
from lastseen.monitor.blindness import ALERT_AFTER, Listener, Spell
from lastseen.monitor.deadline import Rules
from lastseen.monitor.troubles import OwnTroubles
from lastseen.notifiers.emergency import Emergency, told_row
from lastseen.notifiers.memo import Loss
from lastseen.protocols import Announces, Store, Tell

RALLY = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 90))
"""When, after it hears again, is looked who was heard; with the last look it is told who was not."""

NAMES = 20
"""Machines that are named in the event."""

_UNWRITTEN = (BlindReason.STORE, BlindReason.STOPPED)
"""Of spells in which the store may not have been written."""

_log = get_logger()


class Alarms:
    """Call `look` now and then, and at `next_at`; `own` is looked at apart."""

    def __init__(self, store: Store, clock: Clock, listener: Listener, rules: Rules, emergency: Emergency) -> None:
        self._store = store if isinstance(store, Announces) else None
        self._clock, self._listener, self._told_for = clock, listener, rules.told_for
        self._emergency = emergency
        self.own = OwnTroubles(store, clock, rules)

    def next_at(self) -> datetime | None:
        """When there will be something to tell if nothing changes."""
        moments = (self._due(spell) for spell in self._listener.spells)
        return min((moment for moment in moments if moment is not None), default=None)

    def _due(self, spell: Spell) -> datetime | None:
        if spell.ended_at is None:
            return None if spell.told else spell.since + ALERT_AFTER
        return spell.ended_at + RALLY[spell.looks] if self._matters(spell) else spell.ended_at

    def _matters(self, spell: Spell) -> bool:
        return spell.told or _is_long(spell) or self._loss(spell) is not None

    def _loss(self, spell: Spell) -> Loss | None:
        """What was told from memory, if that was of this spell."""
        return self._emergency.told if spell.reason in _UNWRITTEN and spell.ended_at is not None else None

    def _take_up(self) -> None:
        """What was told from memory has an end too where no spell is left of it."""
        loss = self._emergency.told
        if loss is None or self._listener.cannot_write_since() is not None:
            return
        if not any(spell.reason in _UNWRITTEN for spell in self._listener.spells):
            own = next(iter(self._listener.ears.values()))
            self._listener.spells.append(Spell(own, loss.since, BlindReason.STORE, self._clock.now()))

    async def look(self) -> list[Event]:
        """The events that are new. Raises StoreUnavailable: then it is for the next look."""
        self._take_up()
        now, found = self._clock.now(), list[Event]()
        for spell in list(self._listener.spells):
            due = self._due(spell)
            if due is None or now < due:
                continue
            if spell.ended_at is None:
                found += await self._began(spell, now) if await self._is_blind(spell, now) else []
            elif not self._matters(spell) or self._store is None:
                self._listener.spells.remove(spell)
            else:
                found += await self._rallied(self._store, spell, spell.ended_at, now)
        return found

    async def _is_blind(self, spell: Spell, now: datetime) -> bool:
        """Whether the source was for so long on all nodes; since when is said by the store, so that all say the same.
        None: our link is lost, and another node hears."""
        if spell.reason is not BlindReason.LINK or self._store is None or not spell.ear.id:
            return True
        spell.since = await self._store.blind_since(spell.ear.id) or now
        return spell.since + ALERT_AFTER <= now

    async def _began(self, spell: Spell, now: datetime) -> list[Event]:
        muster = await self._store.muster(_whose(spell)) if self._store is not None else Muster(0)
        event = _event(EventType.SOURCE_BLIND, spell, now, now, muster)
        found = await self._announce(event, functools.partial(self._wanted, event))
        spell.told = True
        return found

    async def _rallied(self, store: Announces, spell: Spell, ended_at: datetime, now: datetime) -> list[Event]:
        """Look who was heard; tell it when that is everybody, when the source is lost again, or at last."""
        muster = await store.muster(_whose(spell), ended_at, NAMES)
        if muster.waiting and spell.looks + 1 < len(RALLY) and spell.ear.hears:
            spell.looks += 1
            return []
        if spell.reason is BlindReason.STORE or self._loss(spell) is not None:
            return await self._writes_again(spell, ended_at, now, muster)
        found, restored = [], _event(EventType.SOURCE_RESTORED, spell, now, ended_at, muster)
        if spell.told:
            tell: Tell = functools.partial(self._wanted, restored)
        else:  # nobody could be told while it lasted
            blind = _event(EventType.SOURCE_BLIND, spell, now, ended_at, Muster(muster.held))
            found += await self._announce(blind, functools.partial(skipped, blind, "it was over before it was told"))
            tell = functools.partial(self._told_to_all, restored)
        found += await self._announce(restored, tell)
        self._listener.spells.remove(spell)
        return found

    async def _writes_again(self, spell: Spell, ended_at: datetime, now: datetime, muster: Muster) -> list[Event]:
        loss = self._loss(spell) or Loss(spell.since, plainly(self._emergency.why))
        lost = store_lost(loss.since, now, loss.why)
        restored = store_restored(loss.since, ended_at, now, loss.why, held=muster.held, **_heard(muster))
        found = await self._announce(lost, functools.partial(_told_from_memory, lost, loss))
        tell: Tell = functools.partial(self._wanted_by_all if _is_long(spell) else self._wanted, restored)
        found += await self._announce(restored, tell)
        await self._emergency.close(restored)
        self._listener.spells.remove(spell)
        return found

    async def _announce(self, event: Event, tell: Tell) -> list[Event]:
        if self._store is None:
            source = event.snapshot.get("source") or {}
            _log.warning("event_untold", type=event.type, source=source.get("name"))
            return []
        return [event] if await self._store.announce(event, tell) else []

    def _wanted(self, event: Event, channels: Sequence[Channel], told: frozenset[str]) -> Sequence[Notification]:
        return notify(event, channels, told, self._told_for)

    def _wanted_by_all(self, event: Event, channels: Sequence[Channel], told: frozenset[str]) -> Sequence[Notification]:
        """Those who were told of the beginning, and everybody else who wants to hear of such things."""
        more = {channel.uid for channel in channels if channel.declines(event) is None}
        return notify(event, channels, told | more, self._told_for)

    def _told_to_all(self, event: Event, channels: Sequence[Channel], _: frozenset[str]) -> Sequence[Notification]:
        return notify(event, channels, frozenset(channel.uid for channel in channels), self._told_for)


def _is_long(spell: Spell) -> bool:
    return spell.ended_at is not None and spell.ended_at - spell.since >= ALERT_AFTER


def _told_from_memory(
    event: Event, loss: Loss, channels: Sequence[Channel], _: frozenset[str]
) -> Sequence[Notification]:
    others = [channel for channel in channels if channel.uid not in loss.told]
    return (
        *(
            replace(
                told_row(event, channel.uid),
                state=NotificationState.DELIVERED,
                reason="told at once, from memory",
                attempts=1,
                finished_at=event.at,
                receipt=loss.told[channel.uid],
            )
            for channel in channels
            if channel.uid in loss.told
        ),
        *skipped(event, "it was over before it was told", others, frozenset()),
    )


def _heard(muster: Muster) -> dict[str, Any]:
    return {"heard": muster.held - muster.waiting, "waiting": list(muster.names)}


def _whose(spell: Spell) -> int | None:
    """The source whose machines were held; None: all sources were deaf."""
    return spell.ear.id if spell.reason is BlindReason.LINK else None


def _event(type_: EventType, spell: Spell, now: datetime, until: datetime, muster: Muster) -> Event:
    ear, restored = spell.ear, type_ is EventType.SOURCE_RESTORED
    heard = _heard(muster) if restored else {}
    return Event(
        uid=subject_event_uid(type_, ear.name, spell.since),
        type=type_.value,
        severity=Severity.INFO if restored else Severity.ALERT,
        at=now,
        reason=spell.reason.value,
        incident=subject_event_uid(EventType.SOURCE_BLIND, ear.name, spell.since),
        source=ear.id,
        snapshot={
            "machine": None,
            "source": {"id": ear.id, "name": ear.name, "kind": ear.kind},
            "since": rfc3339(spell.since),
            "seconds": round((until - spell.since).total_seconds(), 3),
            "held": muster.held,
            **heard,
            "message": "",
        },
    )
