"""What a store may answer to people: what there is, what happened, who was told, how things stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from lastseen.model import Kind, MachineRef, NotificationState, Standing
from lastseen.model.insight import Checkup, Gauges, Roll
from lastseen.model.past import Past
from lastseen.model.story import Facts, GivenUp, Which


@runtime_checkable
class Catalog(Protocol):
    """Machines and kinds as people see them."""

    async def machines(
        self, after: int = 0, limit: int = 1000, kind: str | None = None, group: str | None = None
    ) -> Sequence[Standing]:
        """By id, those with an id above `after`."""

    async def roll(self, group: str, names: int) -> Roll:
        """The watched machines of a group, and the names of up to so many that are online: of shared ones, as everybody
        is told them."""

    async def kinds(self) -> Sequence[Kind]: ...

    async def set_kind(self, kind: Kind, now: datetime) -> Kind:
        """Make or change it; every machine of it is looked at again."""

    async def remove_kind(self, name: str) -> None:
        """No machine is of it. Raises NotFound, Conflict: some are, or it is `default` or `job`."""

    async def default_threshold(self, offline_after: timedelta, now: datetime) -> None:
        """The default threshold is this now; if it was another before, machines are looked at again."""


@runtime_checkable
class Glances(Protocol):
    """What is known of machines from a copy that is read faster than the store. Nothing is decided by it."""

    async def glance(self, machines: Sequence[MachineRef], now: datetime) -> Mapping[MachineRef, Standing]:
        """As `Store.liveness`, and as fresh but for a moment; the store is asked where the copy will not do. What was
        committed through this very object is in it."""


@runtime_checkable
class Accounts(Protocol):
    """What happened to one machine, and who was told of it."""

    async def account(self, machine: MachineRef, since: datetime, until: datetime, now: datetime) -> Facts:
        """What is written down of the machine around this span: of the newest incident that touches it, else of the
        quiet time that it is in. Only what is there already: nothing is written. Raises UnknownMachine."""


@runtime_checkable
class Pasts(Protocol):
    """What uptime is counted from."""

    async def pasts(self, machines: Sequence[Standing], since: datetime, now: datetime) -> Mapping[int, Past]:
        """What is written down from `since` on, by the ids of these machines. A silence counts for machines that it
        names as they are now."""


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
