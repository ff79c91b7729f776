"""What a store may promise the processes that run on it: who sends, what is left over, where it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from lastseen.model import Lease, Node


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
class Notes(Protocol):
    """What a process writes down for whoever comes after it: a few short texts by name."""

    async def note(self, name: str) -> str | None: ...

    async def keep_note(self, name: str, text: str) -> None:
        """In place of the one before."""


@runtime_checkable
class Nodes(Protocol):
    """The processes that work on one store know of each other."""

    async def alive(self, node: Node, now: datetime) -> None:
        """It is there. Its lanes and sources are not taken from here: the store knows them."""

    async def gone(self, node: str, now: datetime) -> None:
        """It ended in good order."""

    async def nodes(self, now: datetime) -> Sequence[Node]:
        """All that were alive within the last week, the oldest first."""


@runtime_checkable
class Timed(Protocol):
    """All processes on one store share its clock."""

    async def time(self) -> datetime | None:
        """What the store's clock says now; None: it has none of its own, and the computer's is as good."""


@runtime_checkable
class Hints(Protocol):
    """Processes on one store tell each other that there is something to do. A hint may be lost: whoever relies on it
    looks now and then all the same."""

    async def hints(self, hinted: Callable[[], None]) -> None:
        """Call `hinted` whenever another process has written what this one may have to act on. Ends when it is
        cancelled, or at once where nothing can be heard."""
