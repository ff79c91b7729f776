"""SqlStore: every protocol of a store, on SQL. Each method is one transaction on a thread of the database's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from lastseen.model import (
    Attempt,
    Beat,
    BlindPeriod,
    Case,
    Channel,
    Event,
    Invite,
    Kind,
    Lease,
    MachineRef,
    Node,
    Order,
    Outcome,
    Preferences,
    Recorded,
    Silence,
    Source,
    Standing,
    Trouble,
)
from lastseen.model.arrival import Arrived, Arriving
from lastseen.model.insight import Muster, Roll, Stranger
from lastseen.protocols import Admit, Decide, RetryPlan, Tell
from lastseen.storage import (
    dialect,
    sql_arrivals,
    sql_catalog,
    sql_channels,
    sql_deeds,
    sql_finish,
    sql_nodes,
    sql_outbox,
    sql_record,
    sql_settle,
    sql_sources,
    sql_trouble,
    sql_upkeep,
    sql_ways,
    sql_wishes,
)
from lastseen.storage.expiry import tell_of_expired
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql_cases import all_channels, due_ids, find_ids, foreseen, standings
from lastseen.storage.sql_keyring import SqlKeyring
from lastseen.storage.sql_people import SqlPeople
from lastseen.storage.sql_pruning import SqlPruning
from lastseen.storage.sql_reading import Database, SqlReading
from lastseen.storage.sql_sampled import SqlSampled
from lastseen.storage.sqltools import meta_value, set_meta
from lastseen.storage.workers import Shared

T = TypeVar("T")


class SqlStore(SqlReading, SqlKeyring, SqlPeople, SqlPruning, SqlSampled):
    """Keeps everything in a SQL database; has every optional protocol. Several processes may share one."""

    def __init__(self, database: Database, secrets: SecretBox) -> None:
        self.database, self.secrets = database, secrets
        self._slugs = sql_record.Slugs()
        database.on_rollback, database.keep_deeds = self._slugs.forget, sql_deeds.keep

    async def open(self) -> None:
        """Open the database; makes and upgrades it where that was asked for. Opening twice is harmless."""
        await self.database.open()

    async def close(self) -> None:
        """Finish what is under way. Closing twice is harmless."""
        await self.database.close()

    # -- Store

    async def record(self, beats: Sequence[Beat], now: datetime) -> Recorded:
        if not beats:
            return Recorded()
        return await self.database.record(lambda c: sql_record.record(c, self._slugs, beats, now))

    async def settle(self, decide: Decide, now: datetime, limit: int = 500, *, back: bool = False) -> Sequence[Event]:
        due = await self.next_check()
        if due is None or due > now:
            return []  # nothing to write: the one writer is not kept from its work

        def work(c: Any) -> Sequence[Event]:
            committed = sql_settle.settle(c, decide, now, limit, back=back)
            if committed:
                dialect.of(c).hint(c, self.database.sender)
            return committed

        return await self.database.write_beside(work)

    async def order(self, machine: MachineRef, order: Order, decide: Decide, now: datetime) -> Sequence[Event]:
        return await self.database.write(lambda c: sql_settle.order(c, machine, order, decide, now))

    async def next_check(self) -> datetime | None:
        return await self.database.read(sql_settle.next_check)

    async def liveness(self, machines: Sequence[MachineRef]) -> Mapping[MachineRef, Standing]:
        def work(c: Any) -> Mapping[MachineRef, Standing]:
            ids = find_ids(c, machines)
            known = standings(c, sorted(set(ids.values())))
            return {ref: known[ids[ref]] for ref in machines if ids.get(ref) in known}

        return await self.database.read(work)

    async def take(self, lane: Lease, admit: Admit, now: datetime, limit: int) -> Sequence[Attempt]:
        def work(c: Any) -> sql_outbox.Taken:
            sql_wishes.tell(c, admit, now)
            return sql_outbox.take(c, lane, admit, now, limit)

        taken = await self.database.write_beside(work)
        tell_of_expired(taken.ended)
        return taken.attempts

    async def finish(self, lane: Lease, attempt: Attempt, outcome: Outcome, plan: RetryPlan, now: datetime) -> bool:
        ended = sql_finish.Ended(lane, attempt, sql_finish.readable(outcome), plan, now)
        return await self.database.write_beside(Shared(sql_finish.finish, ended))

    async def next_due(self, channels: Collection[str] | None = None) -> datetime | None:
        return await self.database.read(lambda c: sql_outbox.next_due(c, channels))

    # -- Leases

    async def lease(self, name: str, owner: str, span: timedelta, now: datetime) -> Lease | None:
        return await self.database.write_beside(lambda c: sql_sources.lease(c, name, owner, span, now))

    async def renew(self, lease: Lease, span: timedelta, now: datetime) -> Lease | None:
        return await self.database.write_beside(lambda c: sql_sources.renew(c, lease, span, now))

    async def release(self, lease: Lease, now: datetime) -> None:
        def work(c: Any) -> None:
            sql_sources.release(c, lease, now)
            dialect.of(c).hint(c, self.database.sender)  # whoever waits for it has it at once

        await self.database.write_beside(work)

    # -- Upkeep

    async def tidy(self, now: datetime) -> int:
        if not await self.database.read(lambda c: sql_upkeep.left_over(c, now)):
            return 0  # the one writer is not kept from its work
        return await self.database.write(lambda c: sql_upkeep.tidy(c, now))

    async def newest_token(self) -> int:
        return await self.database.read(sql_upkeep.newest_token)

    # -- Nodes

    async def alive(self, node: Node, now: datetime) -> None:
        await self.database.write_beside(lambda c: sql_nodes.alive(c, node, now))

    async def gone(self, node: str, now: datetime) -> None:
        await self.database.write_beside(lambda c: sql_nodes.gone(c, node))

    async def nodes(self, now: datetime) -> Sequence[Node]:
        return await self.database.read(lambda c: sql_nodes.listed(c, now))

    # -- Timed, Hints

    async def time(self) -> datetime | None:
        return await self.database.read(lambda c: dialect.of(c).time(c))

    async def hints(self, hinted: Callable[[], None]) -> None:
        await self.database.hints(hinted)

    # -- Sources

    async def listen(
        self, source: str, node: str, now: datetime, *, of: str | None = None
    ) -> tuple[int, datetime | None]:
        return await self.database.write(lambda c: sql_sources.listen(c, source, node, now, of))

    async def mark(
        self, source: int, node: str, now: datetime, blind: Sequence[BlindPeriod] = ()
    ) -> Sequence[BlindPeriod]:
        return await self.database.write_beside(lambda c: sql_sources.mark(c, source, node, now, blind))

    async def leave(self, source: int, node: str, now: datetime) -> None:
        await self.database.write_beside(lambda c: sql_sources.leave(c, source, node, now))

    async def newest_mark(self) -> datetime | None:
        return await self.database.read(sql_sources.newest_mark)

    # -- Announces

    async def announce(self, event: Event, tell: Tell) -> bool:
        return await self.database.write(lambda c: sql_ways.announce(c, event, tell))

    async def muster(self, source: int | None, since: datetime | None = None, names: int = 0) -> Muster:
        return await self.database.read(lambda c: sql_ways.muster(c, source, since, names))

    async def blind_since(self, source: int) -> datetime | None:
        return await self.database.read(lambda c: sql_ways.blind_since(c, source))

    # -- Wishes

    async def silences(self, now: datetime) -> Sequence[Silence]:
        return await self.database.read(lambda c: sql_wishes.listed(c, now))

    async def add_silence(self, silence: Silence, now: datetime) -> Silence:
        return await self.database.write(lambda c: sql_wishes.add(c, silence, now))

    async def end_silence(self, silence: int, now: datetime) -> Silence:
        return await self.database.write(lambda c: sql_wishes.end(c, silence, now))

    async def prefer(self, channel: str, wishes: Preferences, fallback: str | None, now: datetime) -> Channel:
        return await self.database.write(lambda c: sql_wishes.prefer(c, channel, wishes, fallback, now))

    # -- Troubles

    async def troubled(self, now: datetime, after: timedelta) -> Sequence[Trouble]:
        return await self.database.read(lambda c: sql_trouble.troubled(c, now, after))

    async def fall_back(self, now: datetime) -> int:
        due = await self.troubled(now, timedelta(0))
        if not any(trouble.channel.fallback for trouble in due):
            return 0
        return await self.database.write(lambda c: sql_trouble.fall_back(c, now))

    # -- Invites

    async def add_invite(
        self, digest: str, name: str, config: Mapping[str, Any], expires_at: datetime, now: datetime
    ) -> Invite:
        return await self.database.write(lambda c: sql_wishes.invite(c, digest, name, config, expires_at, now))

    async def use_invite(self, digest: str, by: str, now: datetime) -> Invite | None:
        return await self.database.write(lambda c: sql_wishes.accept(c, digest, by, now))

    async def invite(self, invite: int) -> Invite | None:
        return await self.database.read(lambda c: sql_wishes.invited(c, invite))

    # -- Notes

    async def note(self, name: str) -> str | None:
        return await self.database.read(lambda c: meta_value(c, f"note:{name}"))

    async def keep_note(self, name: str, text: str) -> None:
        await self.database.write(lambda c: set_meta(c, f"note:{name}", text))

    # -- Foresight

    async def due_cases(self, now: datetime, limit: int) -> Sequence[Case]:
        return await self.database.read(lambda c: list(foreseen(c, due_ids(c, now, limit), now).values()))

    # -- Ways

    async def identify(self, source: int, names: Sequence[str] | None) -> Mapping[str, int | None]:
        return await self.database.read(lambda c: sql_ways.identify(c, source, names))

    async def attach(
        self, source: int, name: str, changes: Mapping[str, Any] | None, decide: Decide, now: datetime
    ) -> tuple[int | None, Sequence[Event]]:
        return await self.database.write(lambda c: sql_ways.attach(c, source, name, changes, decide, now))

    async def detach(self, source: int, name: str) -> None:
        await self.database.write(lambda c: sql_ways.detach(c, source, name))

    async def keep_strangers(self, source: int, heard: Sequence[Stranger]) -> None:
        await self.database.write(lambda c: sql_ways.keep_strangers(c, source, heard))

    # -- SourceRows

    async def sources(self) -> Sequence[Source]:
        return await self.database.read(sql_ways.listed)

    async def add_source(
        self, kind: str, name: str, config: Mapping[str, Any], secrets: Mapping[str, str], now: datetime
    ) -> Source:
        return await self.database.write(lambda c: sql_ways.add(c, self.secrets, kind, name, config, secrets))

    async def change_source(
        self, name: str, config: Mapping[str, Any], secrets: Mapping[str, str] | None = None
    ) -> Source:
        return await self.database.write(lambda c: sql_ways.change(c, self.secrets, name, config, secrets))

    async def remove_source(self, name: str, now: datetime) -> None:
        await self.database.write(lambda c: sql_ways.remove(c, name, now))

    async def source_secrets(self, name: str) -> Mapping[str, str]:
        return await self._unsealed(lambda c: sql_ways.secrets_of(c, self.secrets, name))

    # -- Channels

    async def channels(self) -> Sequence[Channel]:
        return await self.database.read(all_channels)

    async def add_channel(
        self,
        type_: str,
        name: str,
        config: Mapping[str, Any],
        secrets: Mapping[str, str],
        lane: str,
        now: datetime,
        owner: int | None = None,
    ) -> Channel:
        return await self.database.write(
            lambda c: sql_channels.add(c, self.secrets, type_, name, config, secrets, lane, now, owner)
        )

    async def code_channel(self, name: str, lane: str, now: datetime) -> Channel:
        return await self.database.write(lambda c: sql_channels.code(c, name, lane, now))

    async def channel_secrets(self, channel: str) -> Mapping[str, str]:
        return await self._unsealed(lambda c: sql_channels.secrets(c, self.secrets, channel))

    async def switch_channel(self, channel: str, enabled: bool, reason: str | None, now: datetime) -> Channel:
        return await self.database.write(lambda c: sql_channels.switch(c, channel, enabled, reason, now))

    async def remove_channel(self, channel: str, now: datetime) -> None:
        await self.database.write(lambda c: sql_channels.remove(c, channel, now))

    async def change_channel(
        self, channel: str, changes: Mapping[str, Any], now: datetime, secrets: Mapping[str, str] | None = None
    ) -> Channel:
        return await self.database.write(lambda c: sql_channels.change(c, self.secrets, channel, changes, now, secrets))

    async def rename_channel(self, channel: str, name: str, now: datetime) -> Channel:
        return await self.database.write(lambda c: sql_channels.rename(c, channel, name))

    async def give_channel(self, channel: str, owner: int | None, now: datetime) -> Channel:
        return await self.database.write(lambda c: sql_channels.give(c, channel, owner))

    # -- Catalog

    async def machines(
        self, after: int = 0, limit: int = 1000, kind: str | None = None, group: str | None = None
    ) -> Sequence[Standing]:
        return await self.database.read(lambda c: sql_catalog.listed(c, after, limit, kind, group))

    async def roll(self, group: str, names: int) -> Roll:
        return await self.database.read(lambda c: sql_catalog.roll(c, group, names))

    async def kinds(self) -> Sequence[Kind]:
        return await self.database.read(sql_catalog.all_kinds)

    async def set_kind(self, kind: Kind, now: datetime) -> Kind:
        return await self.database.write(lambda c: sql_catalog.set_kind(c, kind, now))

    async def remove_kind(self, name: str) -> None:
        await self.database.write(lambda c: sql_catalog.remove_kind(c, name))

    async def default_threshold(self, offline_after: timedelta, now: datetime) -> None:
        await self.database.write(lambda c: sql_catalog.default_threshold(c, offline_after, now))

    # -- Arrivals

    async def arrived(self, what: Arriving) -> Arrived:
        return await self.database.read(lambda c: sql_arrivals.arrived(c, what))

    async def bring(self, what: Arriving, decide: Decide, now: datetime) -> Arrived:
        return await self.database.write(lambda c: sql_arrivals.bring(c, self.secrets, self._slugs, what, decide, now))
