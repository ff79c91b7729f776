"""What a store may keep of how long machines let pass between two heartbeats."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from lastseen.model.intervals import Counted, Heard, Tally, Turn


@runtime_checkable
class Intervals(Protocol):
    """Some machines at a time have their turn to be listened to closely. Each process that hears heartbeats hands in,
    every few minutes, what it heard of them; one of the processes counts what all have handed in."""

    async def begin_hearing(self, node: str, now: datetime) -> Sequence[Turn]:
        """This process listens from now on, to these. What one of the same name had not handed in is lost to all."""

    async def hand_in(self, heard: Heard) -> Sequence[Turn] | None:
        """Everything that it heard since it handed in last; the turns as they are now. None, and nothing is kept: it
        did not begin, or was given up."""

    async def end_hearing(self, node: str) -> None:
        """It listens no more, and has handed in everything."""

    async def give_up(self, node: str, now: datetime) -> None:
        """Nothing comes from this process any more. What it heard since it handed in last is lost to all."""

    async def handed_in(self) -> tuple[Mapping[str, datetime], Sequence[Heard]]:
        """Until when each process has handed in everything, and what is not counted yet."""

    async def turns(self) -> Sequence[Turn]:
        """All, by id; those of machines that were removed are gone."""

    async def change_turns(self, over: Collection[int], begun: Sequence[Turn]) -> None:
        """The turns of these machines are over, and these begin. A turn that goes on is begun with its `id`, and only
        its end is another. A machine that was removed meanwhile has none."""

    async def ask_turn(self, turn: Turn, most: int) -> Turn | None:
        """A person asks for it: the machine's turn as it is then, which is `asked` and lasts as long at least. None:
        so many were asked for already."""

    async def keep_counted(self, counted: Sequence[Counted], until: datetime | None = None) -> None:
        """Add what was counted; what was counted until then already is left out. `until`: everything that was handed in
        until then is counted, and goes."""

    async def tallies(self, machine: int, since: datetime) -> Sequence[Tally]:
        """Of the weeks that were not over then, in their order."""

    async def forget_tallies(self, before: datetime, limit: int) -> int:
        """Up to so many of weeks that began before that go; how many did."""
