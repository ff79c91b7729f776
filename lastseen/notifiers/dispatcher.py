"""The outbox loop: lease a lane, take what may be sent, send it, write down what became of it. In that order, always.

A result counts only under the lease that the send began with; a process that dies in between leaves rows `sending`,
which the next lease, with its larger token, takes again under the same ids.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import anyio
from anyio.abc import TaskGroup

from lastseen.clock import Clock, wait_or
from lastseen.errors import LastseenError, StoreUnavailable
from lastseen.log import get_logger
from lastseen.model import (
    Attempt,
    Lease,
    NotificationState,
    Outcome,
    Retry,
    Scope,
    Sent,
    replace,
)
from lastseen.model.outbox import Aftermath
from lastseen.notifiers import tally
from lastseen.notifiers.caretaker import Caretaker
from lastseen.notifiers.claims import claim
from lastseen.notifiers.emergency import Emergency
from lastseen.notifiers.flying import WIDTH, Flying
from lastseen.notifiers.motion import Motion
from lastseen.notifiers.reach import Reach
from lastseen.notifiers.retry import as_of_now, follow
from lastseen.notifiers.roster import Roster, Speaker
from lastseen.notifiers.speech import Speech, Wording
from lastseen.protocols import Leases, Store, Upkeep

LEASE = timedelta(seconds=30)
POLL = 2.0
"""Seconds between two looks for what other processes changed."""

AGAIN = 1.0
"""Seconds to wait when something is due that cannot be taken now."""

UNSTORABLE = Retry("its answer cannot be stored", Scope.NOTIFICATION)

_log = get_logger()


class Dispatcher:
    """Sends what is in the outbox of `store` through the speakers of `roster`, on behalf of `node`."""

    def __init__(self, store: Store, roster: Roster, clock: Clock, node: str, wording: Wording | None = None) -> None:
        self._store, self._roster, self._clock, self._node = store, roster, clock, node
        self.wording = wording or Wording()
        self.zone = self.wording.timezone
        self._speech = Speech(store, roster, clock, self.wording)
        self.reach = Reach()
        self.motion = Motion(store, roster, clock)
        self.emergency = Emergency(roster, self._speech, clock, self.zone)
        self._leases: dict[str, Lease] = {}
        self._busy: set[str] = set()
        self._flying: dict[str, Flying] = {}
        self._visited: set[str] = set()  # lanes we hold: what others left `sending` on them was taken up
        self._called: set[str] = set()  # lanes that were busy when something fell due: they look once more
        self._wake = anyio.Event()
        self._landed = anyio.Event()
        self._stopping = False
        self._stale = True
        self._asleep = False
        self._token = 0  # of leases that we make ourselves
        self._caretaker = Caretaker(store, clock)

    @property
    def idle(self) -> bool:
        """Nothing is being sent, and nothing is about to be."""
        return self._asleep and not self._busy and not self._wake.is_set()

    def wake(self) -> None:
        self._wake.set()

    def reload(self) -> None:
        """The channels have changed."""
        self._stale = True
        self.wake()

    async def run(self) -> None:
        """Send until cancelled."""
        self._stopping = False
        async with anyio.create_task_group() as group:
            while True:
                self._asleep, self._wake = False, anyio.Event()
                await self._caretaker.look()
                pause = await self._pass(group)
                self._asleep = not self._wake.is_set()
                await wait_or(self._wake, pause, self._clock)

    async def _pass(self, group: TaskGroup) -> float | None:
        """Set every lane to work on what is due. The seconds until the next look."""
        try:
            if self._stale or not self._clock.virtual:
                self._stale = False
                await self._roster.refresh(self._clock.now())
                await self._roster.close_retired(self._busy)
            due = await self._store.next_due(self._roster.speakers.keys())
            now = self._clock.now()
            lanes = self._roster.lanes()
            self.motion.passed()
            waits = due is not None and due <= now
            for name, speakers in lanes.items():
                if (waits or name not in self._visited) and not self._stopping:
                    self._set_to_work(group, name, speakers)
            return AGAIN if waits or lanes.keys() - self._visited else self._pause(due, now)
        except LastseenError as error:
            _log.error("dispatcher_failed", error=str(error))
            return AGAIN
        except Exception as error:  # noqa: BLE001  (the loop goes on: nothing else would send what waits)
            _log.error("dispatcher_failed", error=repr(error))
            return AGAIN

    def _set_to_work(self, group: TaskGroup, name: str, speakers: Sequence[Speaker]) -> None:
        if name in self._busy:
            self._called.add(name)
            if name in self._flying:
                self._flying[name].called()
            return
        self._busy.add(name)
        group.start_soon(self._work, name, speakers)

    def _pause(self, due: datetime | None, now: datetime) -> float | None:
        ahead = None if due is None else (due - now).total_seconds()
        if self._clock.virtual:
            return ahead
        return POLL if ahead is None else min(ahead, POLL)

    # -- one lane

    async def _work(self, name: str, speakers: Sequence[Speaker]) -> None:
        """Send what the lane has, machines in parallel, until nothing may be taken."""
        try:
            lease = await self._hold(name, speakers)
            if lease is not None and await self._drain(lease, {s.channel.uid: s for s in speakers}):
                self.wake()
        except Exception as error:  # noqa: BLE001  (one lane's trouble must not stop the others)
            self._lost(name)
            _log.error("dispatcher_failed", error=_words(error))
        finally:
            self._busy.discard(name)
            self._landed.set()
            if name in self._called:
                self._called.discard(name)
                self.wake()

    async def _drain(self, lease: Lease, speakers: dict[str, Speaker]) -> bool:
        """True: something was sent."""
        sent, flying = False, self._flying.setdefault(lease.name, Flying())
        async with anyio.create_task_group() as group:
            while True:
                attempts = await self._more(lease, speakers, WIDTH - flying.count)
                for attempt in attempts:
                    sent = True
                    flying.count += 1
                    group.start_soon(self._send, lease, speakers[attempt.channel], attempt, flying)
                if not flying.count:
                    break
                await flying.some_landed(at_most=WIDTH // 2 if attempts else flying.count - 1)
        del self._flying[lease.name]
        return sent

    async def _more(self, lease: Lease, speakers: dict[str, Speaker], limit: int) -> Sequence[Attempt]:
        """What may be sent now. Where that cannot be known the lane takes nothing more; what is in the air lands."""
        try:
            held = await self._renewed(lease)
            return await self._take(held, speakers, limit) if held and limit and not self._stopping else ()
        except Exception as error:  # noqa: BLE001  (raising here would cancel the sends in flight)
            self._lost(lease.name)
            _log.error("dispatcher_failed", error=_words(error))
            return ()

    async def _take(self, lease: Lease, speakers: dict[str, Speaker], limit: int) -> Sequence[Attempt]:
        await self._roster.hear_silences(self._clock.now())
        known = self._roster.speakers
        speakers = {uid: one for uid, one in speakers.items() if known.get(uid) is one}  # the others are made anew
        lease = replace(lease, channels=frozenset(speakers))
        wishes = self._roster.silences, self._speech.storms, self.zone
        taken = await claim(self._store, lease, speakers, *wishes, self._clock.now(), limit)
        self.motion.moved(lease.name)
        return taken

    async def _hold(self, name: str, speakers: Sequence[Speaker]) -> Lease | None:
        """The lane's lease with time left on it; None: another process has it."""
        channels = frozenset(speaker.channel.uid for speaker in speakers)
        lease = self._leases.get(name)
        if lease is not None:
            lease = await self._renewed(lease)
        if lease is None:
            lease = await self._lease(name)
        if lease is None:
            self.motion.moved(name)  # by somebody else
            return None
        lease = self._leases[name] = replace(lease, channels=channels)
        self._visited.add(name)
        return lease

    async def _lease(self, name: str) -> Lease | None:
        if isinstance(self._store, Leases):
            return await self._store.lease(name, self._node, LEASE, self._clock.now())
        if not self._token:  # the wall clock may have been set back since somebody left something `sending`
            known = await self._store.newest_token() if isinstance(self._store, Upkeep) else 0
            self._token = max(known, int(self._clock.wall().timestamp() * 1000))
        self._token += 1
        return Lease(name, self._node, self._token, self._clock.now() + timedelta(days=3650))

    async def _renewed(self, lease: Lease) -> Lease | None:
        """The lease with more than half of its time left; None: it was lost."""
        held = self._leases.get(lease.name)
        if held is None or held.token != lease.token:
            return None
        lease, now = held, self._clock.now()
        if lease.until - now > LEASE / 2 or not isinstance(self._store, Leases):
            return lease
        renewed = await self._store.renew(lease, LEASE, now)
        if renewed is None:
            self._lost(lease.name)
            return None
        self._leases[lease.name] = replace(renewed, channels=lease.channels)
        return self._leases[lease.name]

    def _lost(self, name: str) -> None:
        """The lane is taken up again under a new token, which finds what is left `sending`."""
        self._leases.pop(name, None)
        self._visited.discard(name)

    # -- one send

    async def _send(self, lease: Lease, speaker: Speaker, attempt: Attempt, flying: Flying) -> None:
        flight = self.motion.begin(lease.name, speaker)
        try:
            held = await self._renewed(lease)
            if held is None:
                return  # whoever has the lane now sends it
            began = self._clock.monotonic()
            outcome = await self._speech.say(speaker, attempt)
            self.reach.note(speaker.host, outcome, self._clock.now())
            tally.sent(speaker.channel.type, outcome, self._clock.monotonic() - began)
            await self._finish(held, speaker, attempt, outcome)
        except Exception as error:  # noqa: BLE001  (the rows stay `sending`; a new lease takes them again)
            self._lost(lease.name)
            _log.error("dispatcher_failed", error=_words(error))
        except BaseException:
            self._lost(lease.name)
            raise
        finally:
            self.motion.end(flight)
            flying.landed()

    async def _finish(self, lease: Lease, speaker: Speaker, attempt: Attempt, outcome: Outcome) -> None:
        """Write it down, again and again while the store is away: what was sent must not be sent twice."""
        settled: list[Aftermath] = []

        def plan(sent: Sent) -> Aftermath:
            sent = as_of_now(sent, speaker.channel.version)
            settled[:] = [follow(sent, speaker.schedule, random.random())]  # noqa: S311  (jitter)
            return settled[0]

        while True:
            try:
                kept = await self._store.finish(lease, attempt, outcome, plan, self._clock.now())
                break
            except StoreUnavailable:
                if self._clock.now() >= lease.until:
                    raise
                await self._clock.sleep(AGAIN)
            except Exception as error:
                if outcome == UNSTORABLE:
                    raise
                _log.error("dispatcher_failed", error=_words(error))
                outcome = UNSTORABLE
        if kept:
            self._tell(speaker, attempt, outcome, settled[0])

    def _tell(self, speaker: Speaker, attempt: Attempt, outcome: Outcome, after: Aftermath) -> None:
        name = speaker.channel.name
        for delivery, row in zip(attempt.deliveries, after.notifications, strict=True):
            tally.ended(speaker.channel.type, row, delivery.event)
            if row.state is NotificationState.DELIVERED:
                event = delivery.event
                _log.info(
                    "notification_delivered", notification=row.uid, channel=name, type=event.type, machine=event.machine
                )
            elif row.state is NotificationState.DEAD:
                _log.error("notification_dead", notification=row.uid, channel=name, reason=row.reason)
        if after.disable is not None:
            _log.warning("channel_disabled", channel=name, reason=after.disable)
        elif isinstance(outcome, Retry) and after.state.ready_at is not None:
            ready_in = round((after.state.ready_at - self._clock.now()).total_seconds(), 1)
            _log.warning("channel_failing", channel=name, reason=outcome.reason, ready_in=ready_in)
        if after.disable is not None or after.moved is not None:
            self.reload()

    async def finish_in_flight(self) -> None:
        """Take nothing more, and return when everything that was being sent is written down."""
        self._stopping = True
        while self._busy:
            self._landed = anyio.Event()
            await self._landed.wait()

    async def stop(self) -> None:
        """Give the lanes back."""
        for lease in list(self._leases.values()):
            if isinstance(self._store, Leases):
                await self._store.release(lease, self._clock.now())
        self._leases.clear()
        self._visited.clear()


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, LastseenError) else repr(error)
