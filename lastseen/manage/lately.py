"""What is over, and was wrong not long ago: outages that ended within the last day, by machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lastseen.manage.office import Office
from lastseen.model import Standing, Status
from lastseen.protocols import Annals

LATELY: Final = timedelta(days=1)

MOST: Final = 200
"""Outages that are counted: of a machine that flaps there are many."""


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
    """Of what `office.who` may see, whose ended last first, and whether there are more: MOST outages are counted. Those
    that last are not among them, nor who is offline again."""
    store = office.store
    if not isinstance(store, Annals):
        return [], False
    over = await store.outages_over(now - LATELY, office.who.seen_by, MOST + 1)
    by_machine: dict[int, list[Mapping[str, Any]]] = {}
    for one in over[:MOST]:
        by_machine.setdefault(one["machine_id"], []).append(one)
    known: Mapping[Any, Standing] = await office.store.liveness(list(by_machine))
    again = {id_ for id_, one in known.items() if one.liveness.status is Status.OFFLINE}
    return [_of_machine(some) for id_, some in by_machine.items() if id_ not in again], len(over) > MOST


def _of_machine(outages: Sequence[Mapping[str, Any]]) -> Lately:
    return Lately(len(outages), sum(one["seconds"] for one in outages), outages[0])
