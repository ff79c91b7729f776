"""What the machines of the simulation really do: when each is heard, and when its silence should be found.

Nothing of lastseen is used here: the answers are the ground truth that its decisions are held against.
"""

from __future__ import annotations

import random
from array import array
from dataclasses import dataclass

BROKER = 3
"""Of ten machines, so many are heard through the broker."""


@dataclass(frozen=True)
class Plan:
    """Seconds from the start of the simulation."""

    machines: int
    nodes: int
    seed: int
    interval: float = 60.0
    threshold: float = 900.0
    site: int = 100_000  # machines, the first ones
    dark: tuple[float, float] = (30.0, 940.0)
    link: tuple[float, float] = (120.0, 210.0)  # the broker's link is lost, and it keeps nothing
    silences: int = 5_000
    silent_by: float = 300.0

    @property
    def end(self) -> float:
        """When all has been found that there is to find, with some room."""
        return max(self.dark[1] + self.interval, self.link[1] + self.threshold, self.silent_by + self.threshold) + 30


class World:
    """The fleet. `stops`: machines that fall silent for good, and when."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        chance = random.Random(plan.seed)
        span = int(plan.interval * 1000)
        self._phase = array("H", (int(chance.random() * span) for _ in range(plan.machines)))
        self.stops = {
            machine: chance.uniform(0, plan.silent_by)
            for machine in chance.sample(range(plan.site, plan.machines), plan.silences)
        }

    def phase(self, machine: int) -> float:
        return self._phase[machine] / 1000

    def on_broker(self, machine: int) -> bool:
        return machine // self.plan.nodes % 10 < BROKER

    def node(self, machine: int) -> int:
        """Which node its heartbeats come to."""
        return machine % self.plan.nodes

    def last_beat(self, machine: int, until: float) -> float:
        """The newest heartbeat that came before `until`, or then."""
        phase, interval = self._phase[machine] / 1000, self.plan.interval
        stop = self.stops.get(machine)
        if stop is not None and stop < until:
            until = stop
        beat = phase + (until - phase) // interval * interval
        while True:
            lost = self._lost(machine, beat)
            if lost is None:
                return beat
            beat = phase + -(-(lost - phase) // interval) * interval - interval  # the last before it was lost

    def _lost(self, machine: int, at: float) -> float | None:
        """When the time began in which nothing of it comes; None: it comes."""
        plan = self.plan
        if machine < plan.site and plan.dark[0] <= at < plan.dark[1]:
            return plan.dark[0]
        if self.on_broker(machine) and plan.link[0] <= at < plan.link[1]:
            return plan.link[0]
        return None

    def returns(self, machine: int) -> float | None:
        """When a machine of the site is heard again; None: it is of another place."""
        if machine >= self.plan.site:
            return None
        phase, interval = self.phase(machine), self.plan.interval
        return phase + -(-(self.plan.dark[1] - phase) // interval) * interval

    def deadline(self, machine: int) -> float | None:
        """When it should be found silent. None: never."""
        stop, back = self.stops.get(machine), self.returns(machine)
        if stop is None and back is None:
            return None
        last = self.last_beat(machine, self.plan.dark[0] if stop is None else stop)
        due = last + self.plan.threshold
        lost, heard = self.plan.link
        if self.on_broker(machine) and lost < due and heard > last:
            due = max(due, heard + self.plan.threshold)  # nobody is blamed for the time in which nobody listened
        return None if back is not None and due > back else due
