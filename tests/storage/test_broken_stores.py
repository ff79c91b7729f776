"""The suite finds stores that are wrong: a tester that cannot fail tests nothing."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import anyio
import pytest
from _pytest.outcomes import Skipped

from lastseen.model import (
    Attempt,
    Beat,
    Event,
    Lease,
    NotificationState,
    Outcome,
    Recorded,
    Said,
    Status,
    Verdict,
    replace,
)
from lastseen.protocols import Admit, Decide, RetryPlan
from lastseen.storage.memory import MemoryStore
from lastseen.testing import CoreStoreSuite
from lastseen.testing.suite_retention import RetentionSuite


class LosesUpdates(MemoryStore):
    """Reads before it waits, and writes what it read."""

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        before = dict(self.state.rows)
        await anyio.sleep(0)
        self.state.rows = before
        return await super().record(beats, now)


class GoesBack(MemoryStore):
    """Takes the last heartbeat it was given for the newest."""

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        recorded = await super().record(beats, now)
        for beat in beats:
            machine = self._find(beat.machine)
            if machine is not None and beat.said is not Said.GOODBYE:
                self.state.rows[machine.id] = replace(self.state.rows[machine.id], last_seen=beat.at)
        return recorded


class DecidesWhileRecording(MemoryStore):
    """A way in that sets the status itself."""

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        recorded = await super().record(beats, now)
        for machine_id, row in self.state.rows.items():
            if row.back_at is not None:
                self.state.rows[machine_id] = replace(row, status=Status.ONLINE)
        return recorded


class MergesSignals(MemoryStore):
    """Keeps the newest signal only."""

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        recorded = await super().record(beats, now)
        for machine_id, signals in self.state.signals.items():
            self.state.signals[machine_id] = signals[-1:]
        return recorded


class ForgetsRecovery(MemoryStore):
    """Does not write down that a silent machine was heard."""

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        recorded = await super().record(beats, now)
        self.state.rows = {i: replace(row, back_at=None) for i, row in self.state.rows.items()}
        return recorded


class DecidesTwice(MemoryStore):
    """Reads what is due before it takes the lock."""

    async def settle(self, decide: Decide, now: datetime, limit: int = 500, *, back: bool = False) -> Sequence[Event]:
        due = [i for i in self.state.rows if self._due(i, now)][:limit]
        await anyio.sleep(0)
        events: list[Event] = []
        for machine_id in due:
            events += self._write(machine_id, decide(self._case(machine_id, None, now)))
        return events


class StopsAtTheFirstFailure(MemoryStore):
    async def settle(self, decide: Decide, now: datetime, limit: int = 500, *, back: bool = False) -> Sequence[Event]:
        async with self.turn():
            due = [i for i in self.state.rows if self._due(i, now)][:limit]
            return [e for i in due for e in self._write(i, decide(self._case(i, None, now)))]


class DecidesOnAllWhoAreDue(MemoryStore):
    """When it is asked only for those who were heard again."""

    async def settle(self, decide: Decide, now: datetime, limit: int = 500, *, back: bool = False) -> Sequence[Event]:
        return await super().settle(decide, now, limit)


class ForgetsToTell(MemoryStore):
    """An event without its notification."""

    def _write(self, machine_id: int, verdict: Verdict) -> list[Event]:
        return super()._write(machine_id, replace(verdict, notifications=verdict.notifications[:-1]))


class TellsTwice(MemoryStore):
    """Writes an event again that is there already."""

    def _write(self, machine_id: int, verdict: Verdict) -> list[Event]:
        for event in verdict.events:
            self.state.events.pop(event.uid, None)
        for row in verdict.notifications:
            self.state.outbox.pop(row.uid, None)
        return super()._write(machine_id, verdict)


class ClaimsTwice(MemoryStore):
    """Opens attempts for what is being sent already."""

    async def take(self, lane: Lease, admit: Admit, now: datetime, limit: int) -> Sequence[Attempt]:
        for uid, row in self.state.outbox.items():
            if row.state is NotificationState.SENDING:
                self.state.outbox[uid] = replace(row, state=NotificationState.PENDING, lease_token=None)
        return await super().take(lane, admit, now, limit)


class AcceptsLateResults(MemoryStore):
    """No fence: whoever reports last is right."""

    async def finish(self, lane: Lease, attempt: Attempt, outcome: Outcome, plan: RetryPlan, now: datetime) -> bool:
        for delivery in attempt.deliveries:
            row = self.state.outbox[delivery.notification.uid]
            sending = NotificationState.SENDING
            self.state.outbox[row.uid] = replace(row, state=sending, lease_token=lane.token, finished_at=None)
        return await super().finish(lane, attempt, outcome, plan, now)


class OvertakesItself(MemoryStore):
    """Sends the recovery before the alert is through."""

    async def take(self, lane: Lease, admit: Admit, now: datetime, limit: int) -> Sequence[Attempt]:
        real = {uid: row.machine_id for uid, row in self.state.outbox.items()}
        self.state.outbox = {uid: replace(row, machine_id=None) for uid, row in self.state.outbox.items()}
        try:
            return await super().take(lane, admit, now, limit)
        finally:
            self.state.outbox = {uid: replace(row, machine_id=real[uid]) for uid, row in self.state.outbox.items()}


class OvertakesABatch(MemoryStore):
    """Looks at what is under way only where it went alone."""

    async def take(self, lane: Lease, admit: Admit, now: datetime, limit: int) -> Sequence[Attempt]:
        of_many = {uid for uid, batch in self.state.batches.items() if len(batch) > 1}
        sending = {
            uid: row
            for uid, row in self.state.outbox.items()
            if uid in of_many and row.state is NotificationState.SENDING
        }
        self.state.outbox = {uid: row for uid, row in self.state.outbox.items() if uid not in sending}
        try:
            return await super().take(lane, admit, now, limit)
        finally:
            self.state.outbox = {**sending, **self.state.outbox}


class NeverCoolsDown(MemoryStore):
    async def finish(self, lane: Lease, attempt: Attempt, outcome: Outcome, plan: RetryPlan, now: datetime) -> bool:
        kept = await super().finish(lane, attempt, outcome, plan, now)
        self.state.states.clear()
        return kept


class BreaksBatchesUp(MemoryStore):
    async def take(self, lane: Lease, admit: Admit, now: datetime, limit: int) -> Sequence[Attempt]:
        self.state.batches.clear()
        return await super().take(lane, admit, now, limit)


class ForgetsWhatIsOpen(MemoryStore):
    """Thinks that what is old is over."""

    def _is_needed(self, unit: list[Event]) -> bool:
        return False


class ForgetsHowItStood(MemoryStore):
    """Deletes by age alone what nothing has open."""

    def _old_incidents(self, limit: datetime) -> Iterator[list[Event]]:
        for event in list(self.state.events.values()):
            if event.at < limit and not self._is_needed([event]):
                yield [event]


BROKEN = [
    LosesUpdates,
    GoesBack,
    DecidesWhileRecording,
    MergesSignals,
    ForgetsRecovery,
    DecidesTwice,
    StopsAtTheFirstFailure,
    DecidesOnAllWhoAreDue,
    ForgetsToTell,
    TellsTwice,
    ClaimsTwice,
    AcceptsLateResults,
    OvertakesItself,
    OvertakesABatch,
    NeverCoolsDown,
    BreaksBatchesUp,
    ForgetsWhatIsOpen,
    ForgetsHowItStood,
]


async def failures(store: type[MemoryStore]) -> list[str]:
    """The names of the suite's tests that this store fails."""

    class Suite(CoreStoreSuite, RetentionSuite):
        capabilities = frozenset({"retention"})

        def make(self) -> Any:
            return store()

    failed = []
    for name, test in inspect.getmembers(Suite, inspect.iscoroutinefunction):
        if name.startswith("test_") and len(inspect.signature(test).parameters) == 1:
            try:
                await getattr(Suite(), name)()
            except Skipped:  # what memory has not
                continue
            except (AssertionError, Exception, BaseExceptionGroup):  # noqa: BLE001
                failed.append(name)
    return failed


async def test_a_right_store_fails_nothing() -> None:
    assert await failures(MemoryStore) == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda store: store.__name__)
async def test_a_broken_store_is_found(broken: type[MemoryStore]) -> None:
    assert await failures(broken)
