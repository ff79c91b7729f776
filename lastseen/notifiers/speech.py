"""Saying it: what an attempt speaks of becomes a message, goes to the notifier, and its answer is understood."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

import anyio

from lastseen.clock import Clock, told_time
from lastseen.errors import StoreUnavailable
from lastseen.log import get_logger
from lastseen.model import (
    Attempt,
    Cause,
    Channel,
    Delivered,
    Delivery,
    EventType,
    Message,
    Outcome,
    Rejected,
    Retry,
    Scope,
    Silence,
    replace,
)
from lastseen.model.insight import NOBODY, Roll
from lastseen.notifiers.contained import own_fault, watched
from lastseen.notifiers.message import render, wordless
from lastseen.notifiers.outcome import from_exception
from lastseen.notifiers.retelling import sayings
from lastseen.notifiers.roster import Roster, Speaker
from lastseen.notifiers.storms import Part, Storms
from lastseen.notifiers.stragglers import look
from lastseen.protocols import Catalog, Store

STILL_UP = 3
"""Machines that are named as still there."""

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Wording:
    """What messages need to know beside the event."""

    timezone: tzinfo | None = None
    public_url: str | None = None


class Speech:
    """Speaks for one dispatcher, and remembers what it said of storms."""

    def __init__(self, store: Store, roster: Roster, clock: Clock, wording: Wording) -> None:
        self._store, self._catalog = store, store if isinstance(store, Catalog) else None
        self._roster, self._clock, self._wording = roster, clock, wording
        self.storms = Storms()

    async def say(self, speaker: Speaker, attempt: Attempt) -> Outcome:
        """One call to the far end, or one for each message that is to be changed, whatever comes of it."""
        seen = [one for one in attempt.deliveries if _is_seen(one)] if speaker.edits else []
        others = tuple(one for one in attempt.deliveries if one not in seen)
        outcome: Outcome = Delivered()
        if others:
            outcome = await self._tell(speaker, replace(attempt, deliveries=others))
        if not seen or not isinstance(outcome, Delivered):
            return outcome
        shown = await self._show(speaker, attempt, seen)
        return outcome if others else shown

    async def _show(self, speaker: Speaker, attempt: Attempt, seen: Sequence[Delivery]) -> Outcome:
        """Change what was said of these. What is gone, or too old to be changed, needs no line any more."""
        try:
            found = await sayings(self._store, self.storms, speaker.channel.uid, seen, self._clock.now())
        except StoreUnavailable:
            return Retry("the store cannot be read", Scope.NOTIFICATION)
        if not found and speaker.channel.prefs.severity == "info":
            return await self._tell(speaker, replace(attempt, deliveries=tuple(seen)))
        for one in found:
            again = replace(attempt, deliveries=tuple(one.deliveries), failing_since=None)
            try:
                message = await self._message(speaker, again, one.part, one.told_at)
            except Exception as error:  # noqa: BLE001  (a message that cannot be made harms itself only)
                return Rejected(f"cannot be rendered: {type(error).__name__}")
            answer = await self._call(speaker, "edit", one.receipt, message)
            if not isinstance(answer, Delivered) and not _unchangeable(answer):
                return answer
        return Delivered()

    async def _tell(self, speaker: Speaker, attempt: Attempt) -> Outcome:
        part = self._part(speaker, attempt)
        outcome: Outcome = Retry("it was interrupted")
        try:
            outcome = await self._say(speaker, attempt, part)
        finally:
            if part is not None and isinstance(outcome, Delivered):
                self.storms.told(part, outcome.receipt, self._clock.now())
            elif part is not None:
                self.storms.failed(part)
        return outcome

    def _part(self, speaker: Speaker, attempt: Attempt) -> Part | None:
        together = all(delivery.notification.cause is Cause.FIRST for delivery in attempt.deliveries)
        if speaker.batch == 1 or not together or attempt.probe:
            return None
        return self.storms.join(speaker.channel.uid, attempt.deliveries, speaker.edits, self._clock.now())

    async def _say(self, speaker: Speaker, attempt: Attempt, part: Part | None) -> Outcome:
        try:
            message = await self._message(speaker, attempt, part)
        except Exception as error:  # noqa: BLE001  (a message that cannot be made harms itself only)
            return Rejected(f"cannot be rendered: {type(error).__name__}")
        if part is None or part.edits is None:
            return await self._call(speaker, "send", message)
        answer = await self._call(speaker, "edit", part.edits, message)
        if isinstance(answer, Rejected):  # it is gone, or too old to be changed: nobody tries that again
            part.talk.receipt = None
            return await self._call(speaker, "send", message)
        return answer

    async def _call(self, speaker: Speaker, verb: str, *given: Any) -> Outcome:
        name = speaker.channel.name
        try:
            with anyio.move_on_after(speaker.timeout):
                return understood(speaker, await watched(getattr(speaker.notifier, verb)(*given), name))
            return Retry(f"no answer within {speaker.timeout:g} s")
        except TimeoutError:
            return Retry(f"no answer within {speaker.timeout:g} s")
        except Exception as error:  # noqa: BLE001  (a plugin may raise anything: it is tried again)
            return from_exception(error)
        except BaseException as error:
            if not own_fault(error, in_code=speaker.channel.type == "code"):
                raise
            return Retry(
                "it was cancelled from within" if isinstance(error, asyncio.CancelledError) else _raised(error)
            )

    async def _message(
        self, speaker: Speaker, attempt: Attempt, part: Part | None, as_of: datetime | None = None
    ) -> Message:
        roll = NOBODY if part is None else await self._group(part)
        if not speaker.reads_text:
            return replace(wordless(attempt.deliveries), wall=told_time(self._clock))
        message = render(
            attempt.deliveries,
            self._clock.now(),
            tz=self._wording.timezone,
            label=speaker.label,
            failing_since=attempt.failing_since,
            public_url=self._wording.public_url,
            wishes=speaker.channel.prefs,
            instead_of=_instead_of(speaker.channel, self._roster.channels),
            part=part,
            roll=roll,
            as_of=as_of,
            mutes=self._mutes(speaker) if as_of is not None or (part is not None and part.edits is not None) else (),
        )
        return replace(message, wall=told_time(self._clock))

    def _mutes(self, speaker: Speaker) -> Sequence[Silence]:
        """What somebody muted in this chat."""
        now, uid = self._clock.now(), speaker.channel.uid
        return [
            one for one in self._roster.silences if uid in one.matcher.channels and one.starts_at <= now < one.ends_at
        ]

    async def _group(self, part: Part) -> Roll:
        """How the group of a storm stands now; nobody, where the store cannot say: then it is told without."""
        if len(part.storm.members) < 2:
            return NOBODY
        try:
            await look(self._store, part.storm)
            return NOBODY if self._catalog is None else await self._catalog.roll(part.storm.group, STILL_UP)
        except StoreUnavailable:
            return NOBODY


def _is_seen(delivery: Delivery) -> bool:
    return delivery.event.type == EventType.ACKNOWLEDGED and delivery.notification.cause is Cause.FIRST


def _unchangeable(answer: Outcome) -> bool:
    return isinstance(answer, Rejected) and answer.scope is Scope.NOTIFICATION


def _instead_of(channel: Channel, known: Sequence[Channel]) -> str:
    """The names of the channels that this one stands in for."""
    return ", ".join(f'"{other.name}"' for other in known if other.fallback == channel.uid)


def _raised(error: BaseException) -> str:
    return f"the plugin raised {type(error).__name__}"


def understood(speaker: Speaker, answer: object) -> Outcome:
    """A plugin's answer, as something that can be stored. None and nonsense mean: it did not raise."""
    match answer:
        case Delivered():
            return replace(answer, receipt=None if answer.receipt is None else plain(answer.receipt))
        case Retry() | Rejected():
            return replace(answer, reason=plain(answer.reason))
        case None:
            return Delivered()
    _log.warning("notifier_answered_nonsense", channel=speaker.channel.name, answer=type(answer).__name__)
    return Delivered()


def plain(text: object) -> str:
    """Text that every store can hold."""
    return str(text).replace("\0", " ").encode("utf-8", "replace").decode()[:2000]
