"""SqlStore keeps how long machines let pass between two heartbeats, and what everybody may look at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from lastseen.model.intervals import Counted, Heard, Tally, Turn
from lastseen.model.public import Badge, StatusPage
from lastseen.storage import sql_intervals, sql_public

if TYPE_CHECKING:
    from lastseen.storage.sql_reading import Database


class SqlSampled:
    """A part of SqlStore, on its database."""

    database: Database

    # -- Intervals

    async def begin_hearing(self, node: str, now: datetime) -> Sequence[Turn]:
        return await self.database.write_beside(lambda c: sql_intervals.begin(c, node, now))

    async def hand_in(self, heard: Heard) -> Sequence[Turn] | None:
        return await self.database.write_beside(lambda c: sql_intervals.hand_in(c, heard))

    async def end_hearing(self, node: str) -> None:
        await self.database.write_beside(lambda c: sql_intervals.end(c, node))

    async def give_up(self, node: str, now: datetime) -> None:
        await self.database.write_beside(lambda c: sql_intervals.give_up(c, node, now))

    async def handed_in(self) -> tuple[Mapping[str, datetime], Sequence[Heard]]:
        return await self.database.read(sql_intervals.handed_in)

    async def turns(self) -> Sequence[Turn]:
        return await self.database.read(sql_intervals.turns)

    async def change_turns(self, over: Collection[int], begun: Sequence[Turn]) -> None:
        await self.database.write_beside(lambda c: sql_intervals.change_turns(c, over, begun))

    async def ask_turn(self, turn: Turn, most: int) -> Turn | None:
        return await self.database.write(lambda c: sql_intervals.ask(c, turn, most))

    async def keep_counted(self, counted: Sequence[Counted], until: datetime | None = None) -> None:
        await self.database.write_beside(lambda c: sql_intervals.keep_counted(c, counted, until))

    async def tallies(self, machine: int, since: datetime) -> Sequence[Tally]:
        return await self.database.read(lambda c: sql_intervals.tallies_of(c, machine, since))

    async def forget_tallies(self, before: datetime, limit: int) -> int:
        return await self.database.write_beside(lambda c: sql_intervals.forget(c, before, limit))

    # -- Public

    async def status_pages(self) -> Sequence[StatusPage]:
        return await self.database.read(sql_public.listed_pages)

    async def add_status_page(self, page: StatusPage, now: datetime) -> StatusPage:
        return await self.database.write(lambda c: sql_public.add_page(c, page, now))

    async def change_status_page(self, page: StatusPage) -> StatusPage:
        return await self.database.write(lambda c: sql_public.change_page(c, page))

    async def remove_status_page(self, page: int) -> None:
        await self.database.write(lambda c: sql_public.remove_page(c, page))

    async def badges(self) -> Sequence[Badge]:
        return await self.database.read(sql_public.listed_badges)

    async def add_badge(self, badge: Badge, now: datetime) -> Badge:
        return await self.database.write(lambda c: sql_public.add_badge(c, badge, now))

    async def remove_badge(self, badge: int) -> None:
        await self.database.write(lambda c: sql_public.remove_badge(c, badge))
