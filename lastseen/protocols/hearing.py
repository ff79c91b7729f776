"""What a store may keep of what is heard: who listened, what machines are called, what was never heard."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from lastseen.model import BlindPeriod, Case, Event, Source, Standing
from lastseen.model.insight import Muster, Stranger
from lastseen.protocols.store import Decide, Tell


@runtime_checkable
class Sources(Protocol):
    """Who listened, until when, and when nobody could have been heard."""

    async def listen(
        self, source: str, node: str, now: datetime, *, of: str | None = None
    ) -> tuple[int, datetime | None]:
        """Begin to listen. The source's id (its bit) and until when any listener of it heard before, if ever. A row is
        made where there is none. `of`: the source that this one belongs to, or is, and that people may remove. Raises
        NotFound where that is gone: nobody would listen to what is made again after it was removed."""

    async def mark(
        self, source: int, node: str, now: datetime, blind: Sequence[BlindPeriod] = ()
    ) -> Sequence[BlindPeriod] | None:
        """We hear until `now`; and these blind periods were found. Writing one twice is harmless. Those that are over,
        as they were written down: without what another node heard meanwhile. None: all, as they were given."""

    async def leave(self, source: int, node: str, now: datetime) -> None:
        """We stop listening, properly."""

    async def newest_mark(self) -> datetime | None:
        """The newest time any listener has written, of any source: store time is never before it."""


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
class Announces(Protocol):
    """Events that are about no machine."""

    async def announce(self, event: Event, tell: Tell) -> bool:
        """Write it with a notification for every channel, unless it is there already (False). One that ends an incident
        (`incident` is another event's uid) is written only where that one is. `tell` is called with the channels and
        the uids of those that heard of the incident."""

    async def muster(self, source: int | None, since: datetime | None = None, names: int = 0) -> Muster:
        """The watched machines that were heard on this source (None: on any), and up to so many names of those that
        should be heard and were not since then: of shared ones, as everybody is told them."""

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
