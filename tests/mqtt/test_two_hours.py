"""Two hours in which everything happens but to the machines: we are stopped, brokers are lost, our own line is cut, and
we are restarted again and again. Of 80 machines over four ways in people hear nothing, but of the few that really died
they hear in time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from lastseen.app import App
from lastseen.compose import Notifiers
from lastseen.ingest.auth import new_key
from lastseen.settings import Settings
from lastseen.testing import FakeClock
from tests.mqtt.broker import Mosquitto
from tests.mqtt.day import MIDNIGHT, Client, Overheard, Session, clock_time, span, watch_links
from tests.mqtt.line import Line
from tests.support import eventually

EACH = 20
WAYS = ("http", "a", "b", "code")
STEP = timedelta(seconds=10)
INTERVAL, LIMIT = timedelta(minutes=1), timedelta(minutes=3)
"""Every machine reports once a minute, each at a time of its own; three minutes of silence are an outage."""


class Spell(NamedTuple):
    """What happens to us, from when to when."""

    what: str
    since: str
    until: str


SPELLS = [
    Spell("broker a killed", "00:20:00", "00:24:00"),
    Spell("broker b stopped", "00:30:00", "00:50:00"),
    Spell("line cut", "01:00:00", "01:15:00"),
    Spell("stopped", "01:20:00", "01:28:00"),
    *(Spell("stopped", *(f"{timedelta(hours=1, minutes=35, seconds=50 * n + t)}" for t in (0, 20))) for n in range(18)),
]
"""The last: we are restarted every 50 s, and take 20 s for it. Who reports once a minute is heard again and again."""

DEATHS = {
    # machine: its last heartbeat is before this, and it must be found between these
    "http-7": ("00:10:00", "00:12:00", "00:13:00"),
    "b-7": ("00:10:00", "00:12:00", "00:13:00"),
    "a-8": ("00:21:00", "00:27:00", "00:27:00"),  # its full threshold again, from when its broker was back
    "b-8": ("00:40:00", "00:53:00", "00:53:00"),
    "http-9": ("01:05:00", "01:18:00", "01:18:40"),
    "code-7": ("01:21:00", "01:31:00", "01:31:00"),
    # twice its full threshold, then the seconds in which we were away; a link that is lost with the next restart was
    # heard for certain when its last message came, which may be before the real broker sent any on this virtual clock
    "a-9": ("01:36:00", "01:38:00", "01:56:00"),
    "code-9": ("01:36:00", "01:38:00", "01:43:00"),
}


class World:
    there = True

    async def __call__(self) -> bool:
        return self.there


class Site:
    """The machines, the brokers, and lastseen on a clock that is told the time."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world, self.clock = folder, world, FakeClock(MIDNIGHT)
        self.brokers: dict[str, Mosquitto] = {}
        for name in ("a", "b"):
            broker = Mosquitto(folder, ("allow_anonymous true", "set_tcp_nodelay true"), persistent=True)
            self.brokers[name] = broker
        self.lines: dict[str, Line] = {}
        self.clients: dict[str, Client] = {}
        self.app: App | None = None
        self.key = ""
        self._stack = AsyncExitStack()
        self._numbers = itertools.count()

    # -- lastseen

    async def start(self) -> None:
        Session.alive.clear()
        url = f"mqtt://127.0.0.1:{self.lines['a'].port}"
        settings = Settings.load(
            data_dir=self.folder,
            offline_threshold="3m",
            uplink_check_url="http://world.example",
            rate_limit="off",
            mqtt_url=url,
            mqtt_presets="devices",
            mqtt_auto_add="true",
        )
        app = self.app = App(settings, clock=self.clock, alone=True)
        store: Any = app.store
        await store.open()
        self._stack.push_async_callback(store.close)
        if not self.key:
            await self._set_up(store)
        await self._stack.enter_async_context(app.running())
        self._http = await self._stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lastseen")
        )
        await self._stack.enter_async_context(app.monitor.source("code"))
        for name in ("a", "b"):
            await self.hears(name)

    async def _set_up(self, store: Any) -> None:
        key = new_key("fleet")
        await store.add_key("fleet", key.digest, key.hint, self.clock.now(), defaults={"may_create": True})
        self.key = key.text
        config = {"url": f"mqtt://127.0.0.1:{self.lines['b'].port}", "presets": ["devices"], "auto_add": True}
        await store.add_source("mqtt", "b", config, {}, self.clock.now())

    async def stop(self) -> None:
        self.app = None
        await self._stack.aclose()

    async def hears(self, name: str) -> None:
        app = self.app
        assert app is not None
        ears = app.monitor._loops.listener.ears
        source = {"a": "mqtt", "b": "b"}[name]
        await eventually(lambda: source in ears and ears[source].hears)

    async def deaf(self, name: str) -> None:
        app = self.app
        assert app is not None
        ears = app.monitor._loops.listener.ears
        await eventually(lambda: not ears[{"a": "mqtt", "b": "b"}[name]].hears)

    # -- machines

    async def beat(self, names: list[str]) -> None:
        """All of them report, by the way that each has; whatever cannot come through is lost, as it would be."""
        by_way = {way: [name for name in names if name.startswith(f"{way}-")] for way in WAYS}
        for way in ("a", "b"):
            if way in self.clients and self.clients[way].connected:
                await asyncio.to_thread(self._publish, way, by_way[way])
        if self.app is None:
            return
        if self.world.there:
            await self._post(by_way["http"])
            for way in ("a", "b"):
                if self.clients[way].connected:
                    await self._stored(way)
        monitor = self.app.monitor

        async def told() -> AsyncIterator[str]:
            for name in by_way["code"]:
                yield name

        await monitor.consume(told(), lambda name: (name, None), source="code")

    def _publish(self, way: str, names: list[str]) -> None:
        for name in names:
            self.clients[way].say(f"devices/{name}/heartbeat", "{}", False, 1)

    async def _post(self, names: list[str]) -> None:
        body = json.dumps([{"machine": name} for name in names])
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = await self._http.post("/api/v1/heartbeats", content=body, headers=headers)
        assert (answer.status_code, answer.json()["rejected"]) == (200, [])

    async def _stored(self, way: str) -> None:
        """What its broker has handed on is stored. What cannot be read is acknowledged after all before it."""
        said = ("devices/sentinel/heartbeat", f"[{next(self._numbers)}")
        await asyncio.to_thread(self.clients[way].say, *said, False, 1)
        await eventually(lambda: (said[0], said[1].encode()) in Overheard.acknowledged, every=0.001)
        await eventually(lambda: all(session.at_rest for session in Session.alive), every=0.001)

    # -- what happens to us

    async def begin(self, what: str) -> None:
        for way in ("a", "b"):
            await self._stored(way)  # its link was there until now
        match what.split():
            case ["broker", name, how]:
                self.clients[name].quit()
                broker = self.brokers[name]
                await asyncio.to_thread(broker.kill if how == "killed" else broker.stop)
                await self.deaf(name)
            case ["line", "cut"]:
                self.world.there = False
                for line in self.lines.values():
                    line.cut()
            case ["stopped"]:
                await self.stop()

    async def end(self, what: str) -> None:
        match what.split():
            case ["broker", name, _]:
                await asyncio.to_thread(self.brokers[name].start)
                await asyncio.to_thread(self.clients[name].connect)
                await self.hears(name)
            case ["line", "cut"]:
                self.world.there = True
                for line in self.lines.values():
                    line.mend()
            case ["stopped"]:
                await self.start()

    def events(self, type_: str) -> dict[str, list[str]]:
        """When, by machine."""
        query = (
            "SELECT m.slug, e.at FROM events e JOIN machines m ON m.id = e.machine_id WHERE e.type = ? ORDER BY e.id"
        )
        found: dict[str, list[str]] = {}
        with closing(sqlite3.connect(self.folder / "lastseen.db")) as connection:
            for slug, at in connection.execute(query, (type_,)):
                found.setdefault(slug, []).append(clock_time(at))
        return found


@asynccontextmanager
async def a_site(folder: Path, world: World) -> AsyncIterator[Site]:
    site = Site(folder, world)
    try:
        async with AsyncExitStack() as stack:
            for name, broker in site.brokers.items():
                await asyncio.to_thread(broker.start)
                site.lines[name] = await stack.enter_async_context(Line.to(broker.port))
                site.clients[name] = Client(broker, f"devices-{name}")
                await asyncio.to_thread(site.clients[name].connect)
            await site.start()
            try:
                yield site
            finally:
                await site.stop()
                for client in site.clients.values():
                    client.quit()
    finally:
        for broker in site.brokers.values():
            broker.stop()


def moments(until: str) -> Iterator[datetime]:
    moment = MIDNIGHT
    while moment <= MIDNIGHT + span(until):
        yield moment
        moment += STEP


async def test_two_hours_of_our_own_troubles_blame_nobody_and_hide_no_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    watch_links(monkeypatch)
    probe: Callable[..., World] = lambda self, url: world  # noqa: E731
    monkeypatch.setattr(Notifiers, "probe", probe)
    fleet = [f"{way}-{number}" for way in WAYS for number in range(EACH)]
    turns = int(INTERVAL / STEP)
    dies = {name: MIDNIGHT + span(when) for name, (when, _, _) in DEATHS.items()}
    async with a_site(tmp_path, world) as site:
        assert site.app is not None
        for name in fleet:
            if name.startswith("code-"):
                await site.app.monitor.watch(name)
        for number, moment in enumerate(moments("02:00:00")):
            if moment > MIDNIGHT:
                await site.clock.advance(moment - site.clock.now())
            for what, since, until in SPELLS:
                if moment == MIDNIGHT + span(until):
                    await site.end(what)
                if moment == MIDNIGHT + span(since):
                    await site.begin(what)
            alive = [name for name in fleet if moment < dies.get(name, moment + STEP)]
            await site.beat([name for name in alive if fleet.index(name) % turns == number % turns])
            await site.clock.settled()
    found = site.events("machine.offline")
    assert sorted(found) == sorted(DEATHS), "of the others nobody is told"
    for name, (_, earliest, latest) in DEATHS.items():
        assert len(found[name]) == 1, name
        assert earliest <= found[name][0] <= latest, (name, found[name])
    assert len(site.events("machine.online")) == len(fleet)
    assert all(len(times) == 1 for times in site.events("machine.online").values()), "each was heard for the first time"
