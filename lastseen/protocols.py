"""The page a plugin author reads: what a store and a notifier promise.

A store that has only `Store` runs the monitor and the dispatcher. Everything else is an optional small protocol; the
monitor asks `isinstance(store, Leases)` and so on, and does without what is missing:

=============  =====================================================================================================
`Leases`       several processes may send on one store. Without: this process makes the one lease itself.
`Upkeep`       what nobody looks at any more comes to an end. Without: it waits for ever.
`Sources`      blind time survives a restart. Without: a restart counts from the heartbeats that are stored.
`OnDisk`       the disk that it writes to is watched. Without: nobody does.
`Announces`    events without a machine (a source is blind) are told. Without: they are only logged.
`Declared`     machines that never reported are told of. Without: nobody is told.
`Foresight`    many silences at once can be doubted before they are told. Without: they are believed.
`Ways`         what a source calls a machine is remembered. Without: that is the machine's slug.
`SourceRows`   ways in are rows. Without: those given in `sources=`.
`Channels`     channels are rows. Without: the channels are the names in `notify=`.
`Wishes`       silences and preferences are rows. Without: everybody is told what is told by default.
`Invites`      chats are connected by links. Without: by their ids.
`Notes`        a bot is read on from where it was. Without: what people write to it is not read.
`Catalog`      machines and kinds can be listed and changed by people.
`Keys`         keys that machines and programs authenticate with.
`Refusals`     which keys are refused is counted. Without: nobody is told whose key it was.
`Accounts`     `why` says what happened to a machine and who was told. Without: it cannot be asked.
`History`      events and notifications can be read back and replayed.
`Replays`      what was given up is listed and replayed by filter. Without: one by one.
`Insight`      `/metrics` and `doctor` say how the store stands. Without: what this process counted, alone.
=============  =====================================================================================================

Every verb is one transaction: all of it is durable when it returns, and nothing of it when it raises. Every verb may be
repeated after an unknown outcome. A store raises `StoreUnavailable` when it cannot be read or written now, and never
an exception of the library underneath. `now` is always an argument: a store reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lastseen.model import (
    Admission,
    Aftermath,
    Attempt,
    Beat,
    BlindPeriod,
    Case,
    Channel,
    Event,
    Incident,
    Invite,
    Kind,
    Lease,
    MachineRef,
    Notification,
    NotificationState,
    Order,
    Outcome,
    Preferences,
    Recorded,
    Sent,
    Silence,
    Source,
    Standing,
    Trouble,
    Verdict,
)
from lastseen.model.insight import Checkup, Gauges, Muster, Roll, Stranger
from lastseen.model.story import Facts, GivenUp, RefusedCount, RefusedKey, UnknownKeys, Which

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
        provisioning, `back_at` becomes the first heartbeat's `at`, if it was None, and `check_at` is `now`. Signals
        (ok, error, goodbye, start) are kept apart and in order until a settle has seen them, and set `check_at` to
        `now` too; an ok that can change nothing need not be (the machine is online and no job, has no run that it could
        end, and nothing waits to be decided). A paused machine is only heard: no `back_at`, no `check_at`, no signals
        kept, but the last word of its presence is (`present`). Beats of unknown machines are left out and named in the
        answer. Status is never touched.
        """

    async def settle(self, decide: Decide, now: datetime, limit: int = 500) -> Sequence[Event]:
        """Decide for up to `limit` machines whose `check_at` is due (<= now), the longest due first.

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


@runtime_checkable
class OnDisk(Protocol):
    """It writes to a disk of this computer."""

    @property
    def file(self) -> Path | None:
        """Its main file; None: it has none."""


@runtime_checkable
class Leases(Protocol):
    """Several processes may send on one store."""

    async def lease(self, name: str, owner: str, span: timedelta, now: datetime) -> Lease | None:
        """Take the lane if it is free, its lease is over, or it is this owner's own. The token grows each time, for
        ever. None: somebody else holds it."""

    async def renew(self, lease: Lease, span: timedelta, now: datetime) -> Lease | None:
        """The same lease with a later `until`; None: it was lost."""

    async def release(self, lease: Lease, now: datetime) -> None:
        """Give it back before its time."""


@runtime_checkable
class Upkeep(Protocol):
    """What is left over in the outbox."""

    async def tidy(self, now: datetime) -> int:
        """End what nobody would: how many notifications that were. Asked about once a minute, by any process.

        Pending ones past `expires_at` become dead ("expired …"), whether somebody speaks for their channel or not. One
        that is `sending` under a lease that nobody holds any more, on a channel that is disabled, is cancelled with the
        reason why it is; elsewhere it becomes dead once it is past `expires_at`. Its attempt is `lost`.
        """

    async def newest_token(self) -> int:
        """The greatest token that something is `sending` under, 0 for none. Who makes tokens without `Leases` begins
        above it."""


@runtime_checkable
class Sources(Protocol):
    """Who listened, until when, and when nobody could have been heard."""

    async def listen(self, source: str, node: str, now: datetime) -> tuple[int, datetime | None]:
        """Begin to listen. The source's id (its bit) and until when any listener of it heard before, if ever."""

    async def mark(self, source: int, node: str, now: datetime, blind: Sequence[BlindPeriod] = ()) -> None:
        """We hear until `now`; and these blind periods were found. Writing one twice is harmless."""

    async def leave(self, source: int, node: str, now: datetime) -> None:
        """We stop listening, properly."""

    async def newest_mark(self) -> datetime | None:
        """The newest time any listener has written, of any source: store time is never before it."""


@runtime_checkable
class Announces(Protocol):
    """Events that are about no machine."""

    async def announce(self, event: Event, tell: Tell) -> bool:
        """Write it with a notification for every channel, unless it is there already (False). One that ends an incident
        (`incident` is another event's uid) is written only where that one is. `tell` is called with the channels and
        the uids of those that heard of the incident."""

    async def muster(self, source: int | None, since: datetime | None = None, names: int = 0) -> Muster:
        """The watched machines that were heard on this source (None: on any), and up to so many names of those that
        should be heard and were not since then."""

    async def blind_since(self, source: int) -> datetime | None:
        """Since when the link of this source is lost, as far as anybody has written down."""


@runtime_checkable
class Declared(Protocol):
    """Machines that were declared and never heard."""

    async def never_reported(
        self, before: datetime, after: int, limit: int, since: datetime | None = None
    ) -> Sequence[Standing]:
        """Machines that are watched since before then, and not yet at `since`, and were never heard. By id, those with
        an id above `after`."""

    async def written(self, uids: Collection[str]) -> frozenset[str]:
        """Those of these uids that an event has."""


@runtime_checkable
class Foresight(Protocol):
    """Looking at what is due without deciding it."""

    async def due_cases(self, now: datetime, limit: int) -> Sequence[Case]:
        """What `settle` would decide on at `now`, `now` being the case's too. Nothing is locked or written."""


@runtime_checkable
class Ways(Protocol):
    """What a source calls a machine: (source, name) is its identity there, whatever people call it."""

    async def identify(self, source: int, names: Sequence[str] | None) -> Mapping[str, int | None]:
        """Machines by the names of this source (None: all its names); a machine that is None was removed. Unknown names
        are left out."""

    async def attach(
        self, source: int, name: str, changes: Mapping[str, Any] | None, decide: Decide, now: datetime
    ) -> tuple[int | None, Sequence[Event]]:
        """The machine of this name, and the events of making it.

        Where the name is unknown it is given to the machine that has it as its slug, if no source has a name for that
        one yet; else, with `changes` (fields as in `Watch`), a machine is made, its slug from the name. None: there is
        none, or it was removed: it is not made again.
        """

    async def detach(self, source: int, name: str) -> None:
        """Forget the name; the machine stays."""

    async def keep_strangers(self, source: int, heard: Sequence[Stranger]) -> None:
        """Count what this source could not place; the newest are kept."""


@runtime_checkable
class SourceRows(Protocol):
    """Ways in are rows."""

    async def sources(self) -> Sequence[Source]:
        """By id, the removed ones left out."""

    async def add_source(
        self, kind: str, name: str, config: Mapping[str, Any], secrets: Mapping[str, str], now: datetime
    ) -> Source:
        """A new one. `secrets` are encrypted at rest. Raises Conflict when the name is taken, InvalidInput when there
        are too many."""

    async def change_source(
        self, name: str, config: Mapping[str, Any], secrets: Mapping[str, str] | None = None
    ) -> Source:
        """Replace its config, and its secrets where some are given. Raises NotFound."""

    async def remove_source(self, name: str, now: datetime) -> None:
        """What was heard on it stays, what it calls machines is forgotten. Raises NotFound."""

    async def source_secrets(self, name: str) -> Mapping[str, str]:
        """Decrypted. Raises NotFound, SecretsLocked."""


@runtime_checkable
class Channels(Protocol):
    """Channels are rows."""

    async def channels(self) -> Sequence[Channel]:
        """All that are not removed, disabled ones too, by id."""

    async def add_channel(
        self, type_: str, name: str, config: Mapping[str, Any], secrets: Mapping[str, str], lane: str, now: datetime
    ) -> Channel:
        """A new one. `secrets` are encrypted at rest. Raises Conflict when the name is taken."""

    async def code_channel(self, name: str, lane: str, now: datetime) -> Channel:
        """The channel of type `code` by this durable name, made if there is none. Idempotent."""

    async def channel_secrets(self, channel: str) -> Mapping[str, str]:
        """The secrets of the channel with this uid, decrypted. Raises SecretsLocked."""

    async def switch_channel(self, channel: str, enabled: bool, reason: str | None, now: datetime) -> Channel:
        """Enable or disable by a person. Disabling cancels what waits; enabling also forgets its failures."""

    async def remove_channel(self, channel: str, now: datetime) -> None:
        """Soft-delete it; what waits is cancelled."""

    async def change_channel(
        self, channel: str, changes: Mapping[str, Any], now: datetime, secrets: Mapping[str, str] | None = None
    ) -> Channel:
        """Merge `changes` into its config, and replace its secrets where some are given. Its version grows, which is
        how whoever sends to it learns of it."""


@runtime_checkable
class Wishes(Protocol):
    """What people wish to be told is rows: silences, and a channel's preferences. Where it changes, what is held back
    is decided on anew. An `admit` that has `hear` is told the silences by `take`, in its transaction, before any other
    question."""

    async def silences(self, now: datetime) -> Sequence[Silence]:
        """Those that are not over, planned ones too, by id."""

    async def add_silence(self, silence: Silence, now: datetime) -> Silence:
        """A new one, with its id. Raises InvalidInput."""

    async def end_silence(self, silence: int, now: datetime) -> Silence:
        """End it before its time; one that has not begun is removed. Raises NotFound."""

    async def prefer(self, channel: str, wishes: Preferences, fallback: str | None, now: datetime) -> Channel:
        """What the channel (a uid) is told from now on; `fallback`: the uid of another."""


@runtime_checkable
class Troubles(Protocol):
    """Channels that fail."""

    async def troubled(self, now: datetime, after: timedelta) -> Sequence[Trouble]:
        """The enabled channels that have failed for so long."""

    async def fall_back(self, now: datetime) -> int:
        """Where a channel with a fallback has failed for its `fallback_after`: for each alert that waits for it and is
        not over, a notification for the fallback (cause `fallback`, due now), unless that has one already. How many."""


@runtime_checkable
class Invites(Protocol):
    """Chats are connected by whoever has a code."""

    async def add_invite(
        self, digest: str, name: str, config: Mapping[str, Any], expires_at: datetime, now: datetime
    ) -> Invite:
        """`digest`: SHA-256 of the code. `name` and `config`: of the channel that is to be made."""

    async def use_invite(self, digest: str, by: str, now: datetime) -> Invite | None:
        """The invite with this code, used up now, or by the same a moment ago; None: there is none, it is over, or it
        was used."""

    async def invite(self, invite: int) -> Invite | None:
        """As it is now."""


@runtime_checkable
class Notes(Protocol):
    """What a process writes down for whoever comes after it: a few short texts by name."""

    async def note(self, name: str) -> str | None: ...

    async def keep_note(self, name: str, text: str) -> None:
        """In place of the one before."""


@runtime_checkable
class Catalog(Protocol):
    """Machines and kinds as people see them."""

    async def machines(
        self, after: int = 0, limit: int = 1000, kind: str | None = None, group: str | None = None
    ) -> Sequence[Standing]:
        """By id, those with an id above `after`."""

    async def roll(self, group: str, names: int) -> Roll:
        """The watched machines of a group, and the names of up to so many that are online."""

    async def kinds(self) -> Sequence[Kind]: ...

    async def set_kind(self, kind: Kind, now: datetime) -> Kind:
        """Make or change it; every machine of it is looked at again."""

    async def default_threshold(self, offline_after: timedelta, now: datetime) -> None:
        """The default threshold is this now; if it was another before, machines are looked at again."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored: never the key itself. `hint` are its first characters.

    `defaults` of a fleet or ping key: `may_create` (bool), and what machines are made with (`kind`, `group`, `tags`).
    """

    id: int
    scope: str
    hint: str
    machine_id: int | None = None
    label: str = ""
    created_at: datetime | None = None
    first_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyMatch:
    """What a key's digest stands for. `enabled`: of its machine; True for keys without one. `fresh`: never used."""

    key: Key
    enabled: bool = True
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key with its text, which is a secret: not in a repr."""

    id: int
    scope: str
    machine_id: int | None
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OutOfService:
    """Machines, each by its id and by its slug: those whose reports are refused, and those that wait for a ping."""

    disabled: frozenset[MachineRef] = frozenset()
    until_ping: frozenset[MachineRef] = frozenset()


@runtime_checkable
class Keys(Protocol):
    """Keys by the SHA-256 of their text."""

    async def add_key(
        self,
        scope: str,
        digest: str,
        hint: str,
        now: datetime,
        *,
        machine_id: int | None = None,
        label: str = "",
        expires_at: datetime | None = None,
        replaces: bool = False,
        defaults: Mapping[str, Any] | None = None,
        shown: str | None = None,
    ) -> Key:
        """`replaces`: the machine's other keys stay valid until this one is first used, at most 7 days. `shown`: the
        text of a `ping` or `push` key, encrypted at rest, for `shown_keys`."""

    async def find_key(self, digest: str, now: datetime) -> KeyMatch | None:
        """The valid key with this digest: not revoked, not expired, its machine not removed."""

    async def key_used(self, key_id: int, now: datetime) -> None:
        """First use: revokes the keys that it replaces."""

    async def keys(self) -> Sequence[Key]: ...

    async def revoke_key(self, key_id: int, now: datetime) -> Key: ...

    async def shown_keys(self, machines: Sequence[int] | None = None) -> Sequence[ShownKey]:
        """The valid keys that were added with their text, oldest first: those of these machines, or (None) those of no
        machine. Raises SecretsLocked."""

    async def revoke_addresses(self, machine_id: int, now: datetime, keep: Collection[int] = ()) -> None:
        """Revoke the machine's `ping` and `push` keys, but for those with these ids."""

    async def out_of_service(self) -> OutOfService:
        """The machines that are disabled, and those that are paused until their next ping."""

    async def keys_version(self) -> int:
        """Grows whenever what find_key or out_of_service answers may have changed, by any process."""


@runtime_checkable
class Refusals(Protocol):
    """How often keys were refused. Bounded: old counts go."""

    async def keep_refusals(self, refused: Sequence[RefusedCount], now: datetime) -> None:
        """Add these counts: those of known keys by key, hour and reason, the others together. A key that is known and
        valid again counts with the others. Written twice, it is counted twice."""

    async def refused_keys(self, since: datetime, limit: int = 20) -> Sequence[RefusedKey]:
        """The known keys that were refused since then, once for each reason, the newest first."""

    async def unknown_keys(self, since: datetime) -> UnknownKeys:
        """Requests with keys that nobody knows, since the beginning of that hour."""


@runtime_checkable
class Accounts(Protocol):
    """What happened to one machine, and who was told of it."""

    async def account(self, machine: MachineRef, since: datetime, until: datetime, now: datetime) -> Facts:
        """What is written down of the machine around this span: of the newest incident that touches it, else of the
        quiet time that it is in. Only what is there already: nothing is written. Raises UnknownMachine."""


@runtime_checkable
class History(Protocol):
    """Reading back, newest first, as the command line and the API print it (field names of their contracts)."""

    async def events(
        self, machine: MachineRef | None = None, type_: str | None = None, limit: int = 100
    ) -> Sequence[Mapping[str, Any]]: ...

    async def notifications(
        self, state: NotificationState | None = None, limit: int = 100
    ) -> Sequence[Mapping[str, Any]]: ...

    async def runs(self, machine: MachineRef, limit: int = 100) -> Sequence[Mapping[str, Any]]:
        """The runs of a job: `run, started_at, ended_at, seconds, outcome, exit_code, last_line, output`."""

    async def replay(self, notification: int, now: datetime) -> Mapping[str, Any]:
        """A new notification (cause `replay`, next occasion) of the same event for the same channel, due now; where
        such a one waits already, that one."""


@runtime_checkable
class Replays(Protocol):
    """What was given up is found and told again by filter. Rows as `History` prints them, with the names `channel`,
    `machine` and `type` (of the event). Raises UnknownChannel, UnknownMachine."""

    async def told(
        self, which: Which, state: NotificationState | None = None, limit: int = 100
    ) -> Sequence[Mapping[str, Any]]:
        """The newest first."""

    async def given_up(self, which: Which, limit: int = 100) -> GivenUp:
        """What `replay_dead` would tell again; nothing is written."""

    async def replay_dead(self, which: Which, now: datetime, limit: int = 500) -> Sequence[Mapping[str, Any]]:
        """Tell up to `limit` of them again, the oldest first: the new notifications. What was told since, or is about
        to be, is left out, so that a second call makes none of the same."""


@runtime_checkable
class Insight(Protocol):
    """How things stand, for whoever runs this. Both are cheap enough to be asked while heartbeats come in."""

    async def gauges(self, now: datetime) -> Gauges: ...

    async def checkup(self, now: datetime) -> Checkup: ...


# --- notifiers ------------------------------------------------------------------------------------------------------


class Tools(Protocol):
    """What a plugin is handed."""

    http: Any
    """An httpx.AsyncClient: guarded against forbidden addresses, timed out, without redirects."""


class Notifier(Protocol):
    """Speaks to one destination.

    A class that is found by its entry point in `lastseen.notifiers` has a nested pydantic model `Config` (SecretStr
    fields are encrypted at rest) and is made as `Class(config, tools)`. Optional attributes, with their defaults:

    - `max_batch = 1`: how many notifications one send may speak for;
    - `schedule = "chat"`: how tries are spaced, "chat" or "webhook";
    - `timeout = 15.0`: seconds until a send counts as `Retry`;
    - `host`: the name or address of its far end, "" for none: what could not be reached outside tells of our own line;
    - `lane`: channels whose notifiers name the same lane share one line to the far end (one bot);
    - `operators_only = False`: True says that nothing guards where it connects to: channels of it are written by the
      command line, and by nobody else;
    - `async edit(receipt, message)`: change what was sent under this receipt; Rejected where that is not possible;
    - `blocking = False`: True says that `send` is a plain function that may wait without awaiting; it runs in a thread;
    - `async start()`, `async close()`.
    """

    async def send(self, message: Any) -> Outcome | None:
        """One call to the far end. None or Delivered: done. Any exception counts as Retry."""
