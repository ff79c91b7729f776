"""What SqlStore answers to those who look back or look into it: refusals, accounts, history, insight."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lastseen.model import Delivery, MachineRef, NotificationState, Standing
from lastseen.model.directory import Count, Leaf, Sought
from lastseen.model.insight import Checkup, Gauges
from lastseen.model.past import Past
from lastseen.model.seen import Seen, Sequel
from lastseen.model.story import Facts, GivenUp, RefusedCount, RefusedKey, UnknownKeys, Which
from lastseen.storage import (
    sql_account,
    sql_checkup,
    sql_directory,
    sql_follow,
    sql_history,
    sql_insight,
    sql_past,
    sql_refusals,
    sql_replay,
    sql_spoken,
    sql_unheard,
)
from lastseen.storage.witness import Keep
from lastseen.storage.workers import Work

T = TypeVar("T")


class Database(Protocol):
    """Runs transactions. Raises only errors of ours. `on_rollback` is called where a write was undone: what was learnt
    in it may never have been. `keep_deeds` writes the deeds that are due with what somebody changes (`write`)."""

    on_rollback: Callable[[], None]
    keep_deeds: Keep

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def write(self, work: Work[T]) -> T:
        """Alone: nothing else is written meanwhile, but heartbeats."""

    async def write_beside(self, work: Work[T]) -> T:
        """Perhaps beside others of its kind: it locks what it decides on."""

    async def hints(self, hinted: Callable[[], None]) -> None:
        """`Hints.hints`."""

    @property
    def sender(self) -> str:
        """What our own hints are known by."""

    async def record(self, work: Work[T]) -> T:
        """Perhaps beside anything: it locks the rows of liveness that it writes."""

    async def read(self, work: Work[T]) -> T: ...

    async def sizes(self) -> Mapping[str, int]:
        """Bytes by kind of file."""

    @property
    def file(self) -> Path | None:
        """Where it is, if it is a file."""


class SqlReading:
    """A part of SqlStore, on its database."""

    database: Database

    # -- OnDisk

    @property
    def file(self) -> Path | None:
        return self.database.file

    # -- Refusals

    async def keep_refusals(self, refused: Sequence[RefusedCount], now: datetime) -> None:
        await self.database.write(lambda c: sql_refusals.keep(c, refused, now))

    async def refused_keys(self, since: datetime, limit: int = 20) -> Sequence[RefusedKey]:
        return await self.database.read(lambda c: sql_refusals.refused_keys(c, since, limit))

    async def unknown_keys(self, since: datetime) -> UnknownKeys:
        return await self.database.read(lambda c: sql_refusals.unknown_keys(c, since))

    # -- Accounts

    async def account(self, machine: MachineRef, since: datetime, until: datetime, now: datetime) -> Facts:
        return await self.database.read(lambda c: sql_account.account(c, machine, since, until, now))

    # -- Pasts

    async def pasts(self, machines: Sequence[Standing], since: datetime, now: datetime) -> Mapping[int, Past]:
        return await self.database.read(lambda c: sql_past.pasts(c, machines, since, now))

    # -- History

    async def events(
        self, machine: MachineRef | None = None, type_: str | None = None, limit: int = 100
    ) -> Sequence[Mapping[str, Any]]:
        return await self.database.read(lambda c: sql_history.read_events(c, machine, type_, limit))

    async def notifications(
        self, state: NotificationState | None = None, limit: int = 100
    ) -> Sequence[Mapping[str, Any]]:
        return await self.database.read(lambda c: sql_history.read_notifications(c, state, limit))

    async def runs(self, machine: MachineRef, limit: int = 100) -> Sequence[Mapping[str, Any]]:
        return await self.database.read(lambda c: sql_history.read_runs(c, machine, limit))

    async def replay(self, notification: int, now: datetime) -> Mapping[str, Any]:
        return await self.database.write(lambda c: sql_history.replay(c, notification, now))

    # -- Directory, Annals

    async def seek(self, sought: Sought) -> Sequence[Standing]:
        return await self.database.read(lambda c: sql_directory.seek(c, sought))

    async def census(self, sought: Sought) -> Sequence[Count]:
        return await self.database.read(lambda c: sql_directory.census(c, sought))

    async def latest_report(self, machine: int) -> tuple[datetime, str] | None:
        return await self.database.read(lambda c: sql_directory.latest_report(c, machine))

    async def happened(self, leaf: Leaf) -> Sequence[Mapping[str, Any]]:
        return await self.database.read(lambda c: sql_directory.happened(c, leaf))

    async def outages_over(self, since: datetime, seen_by: int | None, limit: int) -> Sequence[Mapping[str, Any]]:
        return await self.database.read(lambda c: sql_directory.outages_over(c, since, seen_by, limit))

    async def outages(self, leaf: Leaf) -> Sequence[Mapping[str, Any]]:
        return await self.database.read(lambda c: sql_directory.outages_of(c, leaf))

    async def blind(self, source: int, leaf: Leaf) -> Sequence[Mapping[str, Any]]:
        return await self.database.read(lambda c: sql_directory.blind(c, source, leaf))

    async def said(self, leaf: Leaf) -> Sequence[Mapping[str, Any]]:
        return await self.database.read(lambda c: sql_directory.said(c, leaf))

    # -- Follows

    async def seen_all(self) -> Seen:
        return await self.database.read(sql_follow.seen_all)

    async def sequel(self, seen: Seen, limit: int = 500, within: Seen | None = None) -> Sequel:
        return await self.database.read(lambda c: sql_follow.sequel(c, seen, limit, within))

    # -- Spoken

    async def spoken(self, channel: str, incident: str) -> Sequence[Delivery]:
        return await self.database.read(lambda c: sql_spoken.spoken(c, channel, incident))

    # -- Declared

    async def never_reported(
        self, before: datetime, after: int, limit: int, since: datetime | None = None
    ) -> Sequence[Standing]:
        return await self.database.read(lambda c: sql_unheard.never_reported(c, before, after, limit, since))

    async def written(self, uids: Collection[str]) -> frozenset[str]:
        return await self.database.read(lambda c: sql_unheard.written(c, uids))

    # -- Replays

    async def told(
        self, which: Which, state: NotificationState | None = None, limit: int = 100
    ) -> Sequence[Mapping[str, Any]]:
        return await self.database.read(lambda c: sql_replay.listed(c, which, state and state.value, limit))

    async def given_up(self, which: Which, limit: int = 100) -> GivenUp:
        return await self.database.read(lambda c: sql_replay.given_up(c, which, limit))

    async def replay_dead(self, which: Which, now: datetime, limit: int = 500) -> Sequence[Mapping[str, Any]]:
        return await self.database.write(lambda c: sql_replay.replay_all(c, which, now, limit))

    # -- Insight

    async def gauges(self, now: datetime) -> Gauges:
        found = await self.database.read(lambda c: sql_insight.gauges(c, now))
        return replace(found, sizes=await self.database.sizes())

    async def checkup(self, now: datetime) -> Checkup:
        return await self.database.read(lambda c: sql_checkup.checkup(c, now))
