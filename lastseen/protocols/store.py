"""The one protocol that a store must have, and the pure functions that its verbs are given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from lastseen.model import (
    Admission,
    Aftermath,
    Attempt,
    Beat,
    Case,
    Channel,
    Event,
    Incident,
    Lease,
    MachineRef,
    Notification,
    Order,
    Outcome,
    Recorded,
    Sent,
    Standing,
    Verdict,
)

Decide = Callable[[Case], Verdict]
"""Pure: one machine's case to everything that is to be written for it."""

Admit = Callable[[Notification, Event, datetime, Callable[[], Incident]], Admission]
"""Pure: may this notification be sent now? The last argument tells, if it is asked, how the event's incident stands and
what the channel was told of it."""

Tell = Callable[[Sequence[Channel], frozenset[str]], Sequence[Notification]]
"""Pure: the notifications of an event, from the channels and those that heard of its incident."""

RetryPlan = Callable[[Sent], Aftermath]
"""Pure: what follows from a send."""


@runtime_checkable
class Store(Protocol):
    """What the monitor and the dispatcher cannot do without."""

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        """Write down what was heard, in the order given. All or none of the known machines' beats are durable.
        Calls may overlap; they take effect in the order in which they were made.

        For each machine: `last_seen` becomes the newest `at` of its heartbeats (alive, ok, error) and never goes back;
        `heard` gains the source's bit; the newest body is kept as the latest report. Where the machine is offline or
        provisioning, `back_at` becomes the first heartbeat's `at`, if it was None, and `check_at` is `now` unless it is
        earlier (where nodes decide a second late, who speaks more often would never be decided on). Signals
        (ok, error, goodbye, start) are kept apart and in order until a settle has seen them, and set `check_at` to
        `now` in the same way; an ok that can change nothing need not be (the machine is online and no job, has no run
        that it could end, and nothing waits to be decided). A paused machine is only heard: no `back_at`, no
        `check_at`, no signals kept, but the last word of its presence is (`present`). Beats of unknown machines are
        left out and named in the answer. Status is never touched.
        """

    async def settle(self, decide: Decide, now: datetime, limit: int = 500, *, back: bool = False) -> Sequence[Event]:
        """Decide for up to `limit` machines whose `check_at` is due (<= now), the longest due first. `back`: only for
        those that were heard again (`back_at`), and for no other, however long it is due.

        Locks each machine that nobody else holds, reads its case after the lock, calls `decide`, writes the verdict
        and marks the signals it saw as seen. An event whose uid is already there is not written again, and nothing
        that hangs on it either. A `decide` that raises parks that machine for 5 minutes and touches no other.
        Returns the events that were committed, in order.
        """

    async def order(self, machine: MachineRef, order: Order, decide: Decide, now: datetime) -> Sequence[Event]:
        """A person's word about one machine, through the same decide, at once.

        `Watch` makes the machine if there is none by this slug (its liveness: provisioning, watched from `now`,
        seq 0; its channels are asked for as for any event) and changes the fields it names. `Disable` and `Enable`
        set `enabled`, `Pause` sets `resume_by_hand`. Raises UnknownMachine, Conflict, InvalidInput.
        """

    async def next_check(self) -> datetime | None:
        """The smallest `check_at`, or None."""

    async def liveness(self, machines: Sequence[MachineRef]) -> Mapping[MachineRef, Standing]:
        """What is known of these machines; unknown ones are left out."""

    async def take(self, lane: Lease, admit: Admit, now: datetime, limit: int) -> Sequence[Attempt]:
        """Open up to `limit` attempts for what may be sent on the lane now.

        Looks, per channel of the lane, at the oldest unfinished notification of each machine (later ones of the same
        machine wait, unless they go in the same batch; nothing waits for a reminder that is held), by `due_at`:

        - one that is `sending` under a smaller token was interrupted: it is open again, its attempt is `lost`;
        - one past `expires_at` becomes dead ("expired …"), one that `admit` cancels becomes cancelled with that
          reason, one that it holds is due at the hold's end, keeps the reason, and expires later by as long;
        - one that is due and admitted becomes `sending` with the lane's token, in a new attempt, and its `attempts`
          counts one more. Up to `Send.batch` of them go in one attempt. What an attempt contained is tried again
          together, and nothing joins it.

        A channel with failures is left alone until its `ready_at`; then one attempt is opened as a probe, for the
        notification with the earliest `due_at` even if that is still to come (its `attempts` then does not count).
        While something of a failing channel is sending nothing more is taken for it. A lease that was lost: nothing.

        A channel that was sent on another lane before, because its address was another, comes over to this one as soon
        as nothing of it is `sending` there under a lease that lasts; what is left then was interrupted.
        """

    async def finish(self, lane: Lease, attempt: Attempt, outcome: Outcome, plan: RetryPlan, now: datetime) -> bool:
        """Write what became of an attempt: `plan` is called with the channel's state as it is now, and its aftermath
        is applied. False: a row's token is not the lane's any more; then only the attempt's outcome is kept."""

    async def next_due(self, channels: Collection[str] | None = None) -> datetime | None:
        """The earliest moment at which `take` might have something for these channels (uids; None: for any); None:
        nothing waits."""


@runtime_checkable
class Service(Protocol):
    """A store that must be opened and closed. A store that is not one is used as it is."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...
