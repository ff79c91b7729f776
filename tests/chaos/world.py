"""A small fleet on real servers: PostgreSQL behind lines that can be cut, Valkey, Mosquitto, nodes, receivers, and
machines that live."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg

from lastseen.ingest.auth import new_key
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.protocols import Keys
from lastseen.storage import open_store
from lastseen.storage.upgrade_postgres import upgrade
from tests.chaos.database import Database
from tests.chaos.evidence import Beat, Evidence, Fault
from tests.chaos.gateway import Gateway
from tests.chaos.machines import OverHttp, Simulated, script
from tests.chaos.node import PROGRAM
from tests.chaos.reading import gather, statuses
from tests.chaos.receivers import Receiver
from tests.faketime import LIBRARY, faked
from tests.mqtt.broker import Mosquitto
from tests.scenarios.harness import Server, server
from tests.secrecy import secret
from tests.servers.valkey import Valkey
from tests.support import eventually, pace

LEASE = 6.0
"""Seconds that a lane is leased for."""

TICK = 0.05
GRACE = 1.0
SETTLED_WITHIN = 360.0
"""Seconds that a run may take to come to rest: a webhook whose second try failed too is tried again after 300."""

STARTED_WITHIN = 180.0
SETTINGS = {
    "MACHINE_HEARTBEAT_CHECK_INTERVAL": "1s",
    "LASTSEEN_GOODBYE_GRACE": f"{GRACE:g}s",
    "LASTSEEN_FLAPPING": "off",
    "LASTSEEN_RATE_LIMIT": "100/second",
    "LASTSEEN_MQTT_PRESETS": "devices",
    "LANE_LEASE": f"{LEASE:g}",
}


class Node:
    """One `serve`, which is started again when it ends by itself, as a service manager does."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.wanted = self.stopped = False

    @property
    def url(self) -> str:
        return self.server.url

    async def start(self) -> None:
        with contextlib.suppress(AssertionError):
            await self.server.start()
        await eventually(self.ready, timeout=STARTED_WITHIN, every=0.05)

    async def keep(self) -> None:
        while True:
            process = self.server.process
            if self.wanted and (process is None or process.poll() is not None):
                with contextlib.suppress(RuntimeError, AssertionError):
                    await self.server.start()
            await pace(0.1)

    async def ready(self) -> bool:
        process = self.server.process
        return process is not None and process.poll() is None and await self.server.ready()

    def kill(self) -> None:
        self.wanted = False
        self.signal(signal.SIGCONT)
        self.server.kill()

    def signal(self, number: int) -> None:
        process = self.server.process
        if process is not None and process.poll() is None:
            process.send_signal(number)


class World:
    """`nodes` serve `machines` that report over HTTP and `devices` that report over MQTT."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        nodes: int = 2,
        machines: int = 16,
        devices: int = 4,
        disk: bool = False,
        standby: bool = False,
        clock: bool = False,
    ) -> None:
        self.folder, self.rng = folder, random.Random(seed)
        self.size, self.devices = machines, devices
        self.database = Database(disk, standby)
        self.valkey, self.broker = Valkey(folder), Mosquitto(folder)
        self.receivers = [Receiver("steady", ()), Receiver("unsure", tuple(self.rng.sample(range(3, 40), 3)))]
        self.nodes: list[Node] = []
        self._count = nodes
        self.beats: list[Beat] = []
        self.faults: list[Fault] = []
        self.lateness = 0.0
        self.thresholds: dict[int, float] = {}
        self.statuses: dict[int, str] = {}
        self.machines: list[Simulated] = []
        self.clock_of_first, self._steps_clock = folder / "offset", clock and LIBRARY is not None
        self.key = secret(urlsafe_b64encode(os.urandom(32)).decode())

    # -- made and taken down

    @asynccontextmanager
    async def running(self, nodes_env: Mapping[str, str] | None = None) -> AsyncIterator[World]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.database.running())
            for part in (self.valkey, self.broker):
                await asyncio.to_thread(part.start)
                stack.callback(part.kill)
            for receiver in self.receivers:
                await stack.enter_async_context(receiver)
            await asyncio.to_thread(upgrade, self.database.direct)
            await self._start_nodes(stack, dict(nodes_env or {}))
            group = await stack.enter_async_context(asyncio.TaskGroup())
            watches = self._watch(), self._measure()
            tasks = [
                *(group.create_task(watch) for watch in watches),
                *(group.create_task(node.keep()) for node in self.nodes),
            ]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                for node in self.nodes:
                    node.wanted = False
                    node.signal(signal.SIGCONT)

    async def _declare(self) -> None:
        """Machines with their keys."""
        store = open_store(self.database.direct)
        assert isinstance(store, Keys)
        self.keys: dict[int, str] = {}
        monitor = HeartbeatMonitor(store, node="declares")
        async with monitor.opened():
            for number in range(self.size + self.devices):
                threshold = self.rng.choice((3.0, 4.0, 5.0))
                status = await monitor.watch(f"m{number}", expect="new", offline_after=f"{threshold:g}s")
                key = new_key("machine")
                await store.add_key("machine", key.digest, key.hint, monitor.clock.now(), machine_id=status.id)
                self.keys[status.id], self.thresholds[status.id] = secret(key.text), threshold

    async def _start_nodes(self, stack: AsyncExitStack, env: dict[str, str]) -> None:
        shared = {
            **SETTINGS,
            "LASTSEEN_DATABASE_URL": self.database.url,
            "LASTSEEN_SECRET_KEY": self.key,
            "LASTSEEN_REDIS_URL": self.valkey.url,
            "LASTSEEN_MQTT_URL": self.broker.url,
            **env,
        }
        for number in range(self._count):
            home = self.folder / f"node{number}"
            home.mkdir()
            if number == 0 and self._steps_clock:
                self.clock_of_first.write_text("+0")
                own = {**shared, **faked(self.clock_of_first)}
            else:
                own = shared
            made = await stack.enter_async_context(server(home, program=PROGRAM, **own))
            made.log.touch()
            self.nodes.append(Node(made))
        await asyncio.gather(*map(self._add_channel, self.receivers))
        await self._declare()
        await asyncio.gather(*[node.start() for node in self.nodes])
        for node in self.nodes:
            node.wanted = True

    async def _add_channel(self, receiver: Receiver) -> None:
        words = "channels", "add", "webhook", "--name", receiver.name, "--url", receiver.url
        given = await self.nodes[0].server.cli(*words)
        receiver.secret(secret(given["secret"]))

    async def _watch(self) -> None:
        """What the database says of the machines, again and again."""
        while True:
            with contextlib.suppress(psycopg.Error, OSError):
                self.statuses = await asyncio.to_thread(statuses, self.database.direct)
            await pace(0.25)

    async def _measure(self) -> None:
        """How long whoever wants to run has to wait for a processor."""
        while True:
            began = time.monotonic()
            await pace(TICK)
            self.lateness = max(self.lateness, time.monotonic() - began - TICK)

    # -- a run

    @asynccontextmanager
    async def living(self, steps: int) -> AsyncIterator[None]:
        """The machines begin their lives. At the end all have lived them to their end, and those still there go on."""
        way = OverHttp(lambda: [node.url for node in self.nodes], self.keys, self.rng)
        gateway = Gateway(self.broker.port, {one: f"m{number}" for number, one in enumerate(self.keys)})
        await way.open()
        gateway.open()
        group = asyncio.TaskGroup()
        await group.__aenter__()
        for number, one in enumerate(self.keys):
            device = number >= self.size
            every = self.thresholds[one] / self.rng.uniform(3.5, 6)
            machine = Simulated(
                one,
                "mqtt" if device else "http",
                every,
                gateway if device else way,
                self.beats,
                lambda one: self.statuses.get(one),
            )
            self.machines.append(machine)
            life = script(random.Random(self.rng.random()), self.thresholds[one], steps)
            group.create_task(machine.live(life))
        try:
            yield
            with contextlib.suppress(AssertionError):  # the auditor says whose silence was not found
                await eventually(self._all_lived, timeout=SETTLED_WITHIN, every=0.1)
            self.evidence = await self._settled()
        finally:
            for machine in self.machines:
                machine.over.set()
            await group.__aexit__(None, None, None)
            await way.close()
            await asyncio.to_thread(gateway.close)

    def _all_lived(self) -> bool:
        return all(machine.done for machine in self.machines)

    async def _settled(self) -> Evidence:
        """The evidence when everything has come to rest, or what there is of it after a long time."""
        taken: list[Evidence] = []

        async def at_rest() -> bool:
            with contextlib.suppress(psycopg.Error):
                taken[:] = [await asyncio.to_thread(gather, self.database.direct, self)]
            return bool(taken) and self._rests(taken[0])

        with contextlib.suppress(AssertionError):
            await eventually(at_rest, timeout=SETTLED_WITHIN, every=0.5)
        return taken[0]

    def _rests(self, evidence: Evidence) -> bool:
        silent = {machine.id for machine in self.machines if machine.stays_silent}
        wanted = all(m.status == "offline" if m.id in silent else m.status == "online" for m in evidence.machines)
        return wanted and all(n.state not in ("pending", "sending") for n in evidence.notifications)
