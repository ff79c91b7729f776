"""What is over, and was wrong not long ago: outages that ended within the last day, by machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lastseen.manage.office import Office
from lastseen.model.directory import Leaf
from lastseen.protocols import Annals

LATELY: Final = timedelta(days=1)

MOST: Final = 200
"""Outages that are read: of a machine that flaps there are many."""


@dataclass(frozen=True, slots=True)
class Lately:
    """One machine: how often it was offline and is not any more, for how long in all, and the last time, as
    `machines.outages` says."""

    times: int
    seconds: float
    last: Mapping[str, Any]

    @property
    def slug(self) -> str:
        return str(self.last["machine"])

    @property
    def id(self) -> int:
        return int(self.last["machine_id"])


async def lately(office: Office, now: datetime) -> tuple[list[Lately], bool]:
    """Of what `office.who` may see, whose ended last first, and whether there may be more: MOST outages are read. Those
    that last are not among them."""
    if not isinstance(office.store, Annals):
        return [], False
    found = await office.store.outages(Leaf(seen_by=office.who.seen_by, limit=MOST))
    since = now - LATELY
    over = [one for one in found if one["ended_at"] and datetime.fromisoformat(one["ended_at"]) >= since]
    by_machine: dict[int, list[Mapping[str, Any]]] = {}
    for one in sorted(over, key=lambda outage: str(outage["ended_at"]), reverse=True):
        by_machine.setdefault(one["machine_id"], []).append(one)
    more = len(found) == MOST and (found[-1] in over or found[-1]["ended_at"] is None)
    return [_of_machine(some) for some in by_machine.values()], more


def _of_machine(outages: Sequence[Mapping[str, Any]]) -> Lately:
    return Lately(len(outages), sum(one["seconds"] for one in outages), outages[0])
