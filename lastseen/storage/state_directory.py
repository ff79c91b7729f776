"""Machines of a `State` as people look for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lastseen.model import Standing
from lastseen.model.directory import Count, Sought, place_of
from lastseen.storage.state import StateStore


class Listed(StateStore):
    """`Directory` over a `State`."""

    async def seek(self, sought: Sought) -> Sequence[Standing]:
        async with self.turn():
            known = [self._standing(machine_id) for machine_id in self.state.machines]
        found = sorted(
            ((place_of(one, sought.sort), one) for one in known if sought.fits(one)),
            key=lambda placed: placed[0],
            reverse=sought.descending,
        )
        after = sought.after
        if after is not None:
            found = [each for each in found if (each[0] < after if sought.descending else each[0] > after)]
        return [one for _, one in found[: sought.limit]]

    async def census(self, sought: Sought) -> Sequence[Count]:
        async with self.turn():
            known = [self._standing(machine_id) for machine_id in self.state.machines]
        counted = Counter(
            (one.machine.group, one.liveness.status, one.machine.enabled) for one in known if sought.fits(one)
        )
        return [Count(*how, many) for how, many in counted.items()]
