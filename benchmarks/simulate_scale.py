"""10 million machines, simulated: scattered heartbeats, silences, a site that goes dark, a broker's link that is lost;
the real `decide` on every machine that is due, and what each piece of work costs from one table of measured costs
(`benchmarks.scale_costs`). It ends with an error where a decision is not what really happened.

Heartbeats are counted by 50 ms, node and way in; nothing else is simplified about who is due when.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import statistics
import time
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from benchmarks.scale_costs import TELEGRAM_EVERY, TELEGRAM_ROWS, Costs
from benchmarks.scale_stages import SLICE, Events, Lanes, Processor, Recorder
from benchmarks.scale_sweep import TICK, Sweeper, Table
from benchmarks.scale_world import Plan, World
from lastseen.monitor.deadline import Rules


class Heartbeats:
    """How many come in a tick, by node and way in."""

    def __init__(self, world: World) -> None:
        plan = world.plan
        self.world, self._ticks = world, round(plan.interval / TICK)
        self._all: Counter[tuple[int, int, bool, bool]] = Counter()
        for machine in range(plan.machines):
            where = (self._tick(world.phase(machine)), world.node(machine), world.on_broker(machine))
            self._all[*where, machine < plan.site] += 1
        self._stops = sorted((at, machine) for machine, at in world.stops.items())
        self._stops.reverse()

    def _tick(self, at: float) -> int:
        return int(at / TICK) % self._ticks

    def count(self, number: int) -> list[int]:
        """For each node, of the tick with this number."""
        now, plan = number * TICK, self.world.plan
        while self._stops and self._stops[-1][0] <= now:
            machine = self._stops.pop()[1]
            phase = self._tick(self.world.phase(machine))
            self._all[phase, self.world.node(machine), self.world.on_broker(machine), False] -= 1
        dark = plan.dark[0] <= now < plan.dark[1]
        lost = plan.link[0] <= now < plan.link[1]
        tick = number % self._ticks
        ways = [(broker, site) for broker in (False, True) for site in (False, True)]
        heard = [(broker, site) for broker, site in ways if not (broker and lost) and not (site and dark)]
        return [sum(self._all[tick, node, *way] for way in heard) for node in range(plan.nodes)]


class Simulation:
    """All stages, and what they did over time."""

    def __init__(self, plan: Plan, cores: int, costs: Costs, batches: bool) -> None:
        self.plan, self.events, self.world = plan, Events(), World(plan)
        self.server = Processor(self.events, cores)
        self.nodes = [Processor(self.events, 1) for _ in range(plan.nodes)]
        beat = costs.beat_node if batches else costs.request_node
        self.recorders = [
            Recorder(self.events, node, self.server, (beat, costs.beat_server, costs.fsync)) for node in self.nodes
        ]
        self.horizons = [lambda r=recorder: r.horizon for recorder in self.recorders]  # type: ignore[misc]
        rules = Rules(offline_after=timedelta(seconds=plan.threshold))
        self.table, self.heartbeats = Table(self.world, rules), Heartbeats(self.world)
        self.table.horizons = self.horizons
        self.hooks = [Lanes(self.events, node, costs.send_node, costs.answer) for node in self.nodes]
        self.sweepers = [
            Sweeper(self.events, self.table, node, self.server, costs, horizon)
            for node, horizon in zip(self.nodes, self.horizons, strict=True)
        ]
        for sweeper, lanes in zip(self.sweepers, self.hooks, strict=True):
            sweeper.tell = lambda count, lanes=lanes: self._tell(count, lanes)  # type: ignore[misc]
        self.chat = self.messages = 0
        self.chat_since: float | None = None
        self.chat_longest = 0.0
        self.rows: list[dict[str, float]] = []
        self.peaks: Counter[str] = Counter()

    def run(self) -> None:
        self.events.at(self.plan.link[0], lambda: self.table.link(ended=False))
        self.events.at(self.plan.link[1], lambda: self.table.link(ended=True))
        self._tick(1)
        self._say()
        self.events.run(self.plan.end)

    def _tick(self, number: int) -> None:
        self.events.at((number + 1) * TICK, lambda: self._tick(number + 1))
        for recorder, count in zip(self.recorders, self.heartbeats.count(number - 1), strict=True):
            recorder.heard(count)
        self.table.due(number)
        first = number % len(self.sweepers)
        for sweeper in (*self.sweepers[first:], *self.sweepers[:first]):
            sweeper.wake()
        for name, waiting in self._waiting().items():
            self.peaks[name] = max(self.peaks[name], waiting)
        if number % round(SLICE / TICK) == 0:
            self._note(number * TICK)

    def _waiting(self) -> dict[str, int]:
        return {
            "heartbeats": sum(recorder.waiting for recorder in self.recorders),
            "due": len(self.table.ready),
            "webhooks": sum(lanes.waiting for lanes in self.hooks),
            "chat": self.chat,
        }

    def _note(self, now: float) -> None:
        number = round(now / SLICE) - 1
        busy = {"node": max(node.busy(number) for node in self.nodes), "server": self.server.busy(number)}
        peaks = {name: self.peaks.pop(name, 0) for name in self._waiting()}
        self.rows.append({"until": now, **busy, **peaks, "found": len(self.table.found), "back": len(self.table.back)})

    def _tell(self, count: int, lanes: Lanes) -> None:
        lanes.send(count)
        if count and self.chat_since is None:
            self.chat_since = self.events.now
        self.chat += count

    def _say(self) -> None:
        """One message to the chat, for all that waits."""
        if self.chat:
            self.messages += 1
            self.chat_longest = max(self.chat_longest, self.events.now - (self.chat_since or 0))
            self.chat -= min(self.chat, TELEGRAM_ROWS)
            self.chat_since = self.events.now if self.chat else None
        self.events.at(self.events.now + TELEGRAM_EVERY, self._say)

    # -- afterwards

    def check(self) -> tuple[list[float], list[str]]:
        """Delays of what was found, and what is not as it really was."""
        delays, wrong, found, back = [], [], dict(self.table.found), dict(self.table.back)
        for machine in (*range(self.plan.site), *sorted(self.world.stops)):
            due, when, returned = self.world.deadline(machine), found.pop(machine, []), back.pop(machine, [])
            if len(when) != (due is not None):
                wrong.append(f"machine {machine}: due {due}, found {when}")
            elif due is not None:
                delays.append(when[0] - due)
                if when[0] < due - 1e-3:
                    wrong.append(f"machine {machine}: due {due}, found at {when[0]}, too early")
                if len(returned) != (self.world.returns(machine) is not None):
                    wrong.append(f"machine {machine}: back {returned}")
        wrong += [f"machine {machine} is online, and was found silent at {when}" for machine, when in found.items()]
        return delays, wrong

    def summary(self) -> dict[str, Any]:
        delays, wrong = self.check()
        ranked = sorted(delays) or [math.nan]
        busy = {"a node": "node", "the server": "server"}
        return {
            "plan": asdict(self.plan),
            "heartbeats": sum(recorder.stored for recorder in self.recorders),
            "decided": sum(sweeper.looks for sweeper in self.sweepers),
            "settles": sum(sweeper.settles for sweeper in self.sweepers),
            "found": len(delays),
            "back": len(self.table.back),
            "wrong_in_all": len(wrong),
            "wrong": wrong[:10],
            "delay_p50": statistics.median(ranked),
            "delay_p99": ranked[int(len(ranked) * 0.99)],
            "delay_max": ranked[-1],
            "busiest": {name: max(row[key] for row in self.rows) for name, key in busy.items()},
            "longest_waiting": {name: max(row[name] for row in self.rows) for name in self._waiting()},
            "heartbeat_longest": max(recorder.longest for recorder in self.recorders),
            "webhooks": sum(lanes.sent for lanes in self.hooks),
            "webhook_longest": max(lanes.longest for lanes in self.hooks),
            "messages": self.messages,
            "message_longest": self.chat_longest,
            "over_time": self.rows,
        }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="a form that takes seconds: shows that it runs")
    parser.add_argument("--machines", type=int, default=10_000_000)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--cores", type=int, default=8, help="of the database's server")
    parser.add_argument("--batches", action="store_true", help="heartbeats come in batches, not one a request")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="write all of it to this file")
    return parser.parse_args()


def main() -> None:
    asked, began = arguments(), time.perf_counter()
    plan = Plan(machines=asked.machines, nodes=asked.nodes, seed=asked.seed)
    if asked.short:
        plan = Plan(machines=20_000, nodes=2, seed=asked.seed, site=1000, silences=200)
    gc.freeze()
    gc.set_threshold(200_000)
    simulation = Simulation(plan, asked.cores, Costs(), asked.batches)
    simulation.run()
    result = simulation.summary()
    result["took"] = time.perf_counter() - began
    result["resident"] = psutil.Process().memory_info().rss
    for name, value in result.items():
        if name != "over_time":
            print(f"{name}: {value}")
    if asked.json:
        Path(asked.json).write_text(json.dumps(result, indent=1))
    if result["wrong"]:
        raise SystemExit("what was decided is not what happened")


if __name__ == "__main__":
    main()
