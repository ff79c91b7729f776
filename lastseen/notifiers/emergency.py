"""The message from memory: where the store cannot be written there is no outbox, and people are told all the same.

Each channel once for each loss, by the notifier that this process has for it, with a few tries and nothing in between.
What people wish counts, as it was last read. Whom it told is kept until the loss is written down as an event
(`lastseen.monitor.alarms`), also over a restart, where there is a `Memo`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

import anyio
from anyio.abc import TaskGroup

from lastseen.clock import Clock, rfc3339
from lastseen.errors import LastseenError
from lastseen.log import get_logger
from lastseen.model import Attempt, Delivered, Delivery, Event, Notification, Outcome, Retry, Send, notification_uid
from lastseen.model.system import plainly, store_lost
from lastseen.notifiers.admit import Question, admit
from lastseen.notifiers.memo import Loss, Memo, memo_of
from lastseen.notifiers.roster import Roster, Speaker
from lastseen.notifiers.speech import Speech
from lastseen.protocols import Sources, Store

AFTER = timedelta(seconds=60)
"""How long nothing could be written before it is told."""

WATCHED = 20.0
"""Seconds of that in which this process was there and looked: one that was stopped, or slept, knows nothing yet."""

LOOK = 1.0
"""Seconds between two looks."""

PATIENCE = 5.0
"""Seconds that the note beside the database may take."""

GAP = 5.0
"""Seconds between two looks that mean: it did not look."""

CALM = 30.0
"""Seconds without trouble after which a loss that nobody was told of is forgotten."""

WAITS = (5.0, 15.0, 60.0, 300.0)
"""Seconds between the tries of one channel."""

LAST_WORDS = 20.0
"""Seconds that a process which cannot begin takes to say so."""

TOLD_FOR = timedelta(hours=76)

Lost = Callable[[], datetime | None]
"""Since when the store cannot be written; None: it can."""

_log = get_logger()


@dataclass(slots=True)
class _Tries:
    """Of one channel. `next_at`: by the monotonic clock; None: no more."""

    count: int = 0
    next_at: float | None = 0.0
    under_way: bool = False


@dataclass(slots=True)
class _Trouble:
    loss: Loss
    began: float
    seen: float
    event: Event | None = None
    end: Event | None = None
    tries: dict[str, _Tries] = field(default_factory=dict)


class Emergency:
    """Of one process. `run` it while the monitor runs; `stop` it before that is stopped."""

    def __init__(self, roster: Roster, speech: Speech, clock: Clock, zone: tzinfo | None) -> None:
        self._roster, self._speech, self._clock, self._zone = roster, speech, clock, zone
        self._memo: Memo | None = None
        self._trouble: _Trouble | None = None
        self._stopping = False
        self._noting = anyio.Lock()
        self.after = AFTER
        self.why = ""

    @property
    def told(self) -> Loss | None:
        """The loss that somebody was told of and that is not closed."""
        trouble = self._trouble
        return trouble.loss if trouble is not None and trouble.loss.told else None

    def remember(self, memo: Memo | None) -> None:
        """Go on with what a predecessor told."""
        self._memo = memo
        loss = memo.read() if memo is not None else None
        if loss is not None and loss.told and self._trouble is None:
            now = self._clock.monotonic()
            self._trouble = _Trouble(loss, now, now)

    async def close(self, end: Event) -> None:
        """What was told is written down, with its end. A channel whose send is still under way hears that from us."""
        if self._trouble is not None:
            self._trouble.end = end
        self._trouble = None
        await self._note()

    def stop(self) -> None:
        """We stop because we were told to: nothing is said any more."""
        self._stopping = True

    async def run(self, lost: Lost) -> None:
        """Look every second, until cancelled."""
        self._stopping = False
        async with anyio.create_task_group() as group:
            while True:
                self._look(group, lost())
                await self._clock.sleep(LOOK)

    async def last_words(self, store: Store, why: str) -> None:
        """Of a process that cannot begin, where nothing was written for long enough and channels can be read: each that
        was not told yet is, with one try. Where that cannot be noted nothing is said: each restart would
        say it again."""
        try:
            since = await store.newest_mark() if isinstance(store, Sources) else None
            if since is None or self._clock.now() - since < self.after:
                return
            self.remember(memo_of(store))
            await self._roster.refresh(self._clock.now())
        except LastseenError:
            return
        self.why, now = why, self._clock.monotonic()
        if self._trouble is None:
            self._trouble = _Trouble(Loss(since), now, now)
        if not await self._note():
            return
        with anyio.move_on_after(LAST_WORDS):
            async with anyio.create_task_group() as group:
                self._tell_all(group, self._trouble)

    # -- looking

    def _look(self, group: TaskGroup, since: datetime | None) -> None:
        now, trouble = self._clock.monotonic(), self._trouble
        if self._stopping:
            return
        if since is None:
            if trouble is not None and not trouble.loss.told and self._calm(trouble, now):
                self._trouble = None
            return
        if trouble is None:
            trouble = self._trouble = _Trouble(Loss(since), now, now)
        if now - trouble.seen > GAP:
            trouble.began = now
        trouble.seen = now
        if self._clock.now() - since >= self.after and now - trouble.began >= min(WATCHED, self.after.total_seconds()):
            self._tell_all(group, trouble)

    def _calm(self, trouble: _Trouble, now: float) -> bool:
        return now - trouble.seen > CALM and not any(tries.under_way for tries in trouble.tries.values())

    def _tell_all(self, group: TaskGroup, trouble: _Trouble) -> None:
        if trouble.event is None:
            trouble.loss.why = trouble.loss.why or plainly(self.why)
            trouble.event = store_lost(trouble.loss.since, self._clock.now(), trouble.loss.why)
            _log.error("store_lost", since=rfc3339(trouble.loss.since), reason=trouble.loss.why)
        now = self._clock.monotonic()
        for uid, speaker in list(self._roster.speakers.items()):
            tries = trouble.tries.setdefault(uid, _Tries())
            ready = tries.next_at is not None and now >= tries.next_at and not tries.under_way
            if ready and uid not in trouble.loss.told and self._wanted(speaker, trouble.event):
                tries.under_way = True
                group.start_soon(self._tell, speaker, trouble, trouble.event, tries)

    def _wanted(self, speaker: Speaker, event: Event) -> bool:
        """By the rules that decide what the outbox sends. What they hold back is asked again with the next look."""
        row = told_row(event, speaker.channel.uid)
        asked = Question(
            row, event, speaker.channel, 1, self._clock.now(), silences=self._roster.silences, zone=self._zone
        )
        return isinstance(admit(asked), Send)

    # -- telling

    async def _tell(self, speaker: Speaker, trouble: _Trouble, event: Event, tries: _Tries) -> None:
        tries.count += 1
        try:
            outcome = await self._say(speaker, event)
        finally:
            tries.under_way = False
        if self._trouble is trouble:
            await self._after(speaker, trouble, tries, outcome)
        else:
            await self._too_late(speaker, trouble, outcome)

    async def _say(self, speaker: Speaker, event: Event) -> Outcome:
        row, now = told_row(event, speaker.channel.uid), self._clock.now()
        attempt = Attempt(0, speaker.channel.uid, (Delivery(row, event),), now, probe=True)
        try:
            return await self._speech.say(speaker, attempt)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is this channel's)
            return Retry(type(error).__name__)

    async def _after(self, speaker: Speaker, trouble: _Trouble, tries: _Tries, outcome: Outcome) -> None:
        name = speaker.channel.name
        if isinstance(outcome, Delivered):
            trouble.loss.told[speaker.channel.uid] = outcome.receipt
            await self._note()
            _log.warning("emergency_told", channel=name)
            return
        wait = WAITS[tries.count - 1] if isinstance(outcome, Retry) and tries.count <= len(WAITS) else None
        if wait is not None and isinstance(outcome, Retry) and outcome.after is not None:
            wait = max(wait, outcome.after.total_seconds())
        tries.next_at = None if wait is None else self._clock.monotonic() + wait
        _log.warning("emergency_untold", channel=name, reason=outcome.reason, again_in=wait)

    async def _too_late(self, speaker: Speaker, trouble: _Trouble, outcome: Outcome) -> None:
        """The end is written down, without this channel. One that was told now hears of the end, with one try."""
        if isinstance(outcome, Delivered) and trouble.end is not None:
            _log.warning("emergency_told", channel=speaker.channel.name)
            outcome = await self._say(speaker, trouble.end)
        if not isinstance(outcome, Delivered):
            _log.warning("emergency_untold", channel=speaker.channel.name, reason=outcome.reason, again_in=None)

    async def _note(self) -> bool:
        """What is told by now, or that there is nothing. In a thread: the disk is what may be wrong. False: it could
        not be written."""
        if self._memo is None:
            return False
        async with self._noting:
            loss = self._trouble.loss if self._trouble is not None else None
            with anyio.move_on_after(PATIENCE):
                return await anyio.to_thread.run_sync(self._memo.write, loss, abandon_on_cancel=True)
        return False


def told_row(event: Event, channel: str) -> Notification:
    """The notification that this message is: with this uid it is sent, and stored when that is possible."""
    return Notification(
        uid=notification_uid(event.uid, channel),
        event=event.uid,
        channel=channel,
        incident=event.incident,
        due_at=event.at,
        created_at=event.at,
        expires_at=event.at + TOLD_FOR,
    )
