"""A virtual day at a real broker: devices speak over real connections, and time passes between two messages by being
told to. Whatever was said at one moment has been stored before the next.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from lastseen.ingest.mqtt import Binding, Mode, MqttSource, session
from lastseen.ingest.mqtt import source as module
from lastseen.ingest.mqtt.link import Link
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.testing import FakeClock, RecordingNotifier
from tests.mqtt.broker import Mosquitto
from tests.support import eventually

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
ANSWERS_WITHIN = 20.0
SENTINEL = Binding("sentinel/{machine}", Mode.PRESENCE, "presence")
"""What is said there cannot be read, so it is acknowledged as soon as everything before it is."""

Deed = Callable[[], Awaitable[None]]


class Outage(NamedTuple):
    """Times of the day: since when, when it was found, when it was over (None: not on this day), and why."""

    since: str
    found: str
    back: str | None
    why: str


class Client:
    """One connection to the broker, by paho's own thread."""

    def __init__(self, broker: Mosquitto, name: str, will: tuple[str, str, bool] | None = None) -> None:
        """`will`: its topic, its payload, and whether the broker keeps it."""
        self._broker, self.name, self.will = broker, name, will
        self._client: paho.Client | None = None

    def connect(self, on_message: Callable[[Any], None] | None = None) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.name, reconnect_on_failure=False)
        if self.will is not None:
            topic, payload, kept = self.will
            client.will_set(topic, payload, qos=1, retain=kept)
        if on_message is not None:
            client.on_message = lambda _client, _data, message: on_message(message)
        client.connect("127.0.0.1", self._broker.port, 600)
        client.loop_start()
        self._client = client

    def subscribe(self, topic: str) -> None:
        self._there().subscribe(topic, 1)

    def say(self, topic: str, payload: str, retain: bool, qos: int) -> None:
        self._there().publish(topic, payload, qos=qos, retain=retain).wait_for_publish(ANSWERS_WITHIN)

    def cut(self) -> None:
        """Its connection ends without a word: the broker speaks its will."""
        there = self._there()
        sock: Any = there.socket()
        sock.shutdown(socket.SHUT_RDWR)
        there.loop_stop()
        self._client = None

    def leave(self) -> None:
        """Properly: its will is not spoken."""
        there = self._there()
        there.disconnect()
        there.loop_stop()
        self._client = None

    def quit(self) -> None:
        """Whatever has become of its connection."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    @property
    def connected(self) -> bool:
        return self._client is not None

    def _there(self) -> paho.Client:
        assert self._client is not None, f"{self.name} is not connected"
        return self._client


class Overheard(Link):
    """A link of lastseen's of which is noted what it has acknowledged."""

    acknowledged: ClassVar[set[tuple[str, bytes]]] = set()

    def __init__(self, broker: Any, on_message: Callable[[Any], None], version: int = 5) -> None:
        self._said: dict[int, tuple[str, bytes]] = {}

        def noted(message: Any) -> None:
            if message.qos:
                self._said[message.mid] = message.topic, message.payload
            on_message(message)

        super().__init__(broker, noted, version)

    def ack(self, mid: int) -> None:
        super().ack(mid)
        self.acknowledged.add(self._said.pop(mid))


class Session(session.Session):
    """One of lastseen's sessions that can be asked whether it is at rest."""

    alive: ClassVar[list[Session]] = []

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.alive.append(self)

    @property
    def at_rest(self) -> bool:
        return not self._looking and not self._behind


class Day:
    """`plan` holds what happens when; `every` what happens again and again. Both are done in the order of time."""

    def __init__(self, broker: Mosquitto, folder: Path, options: Mapping[str, Any], **settings: Any) -> None:
        self.broker, self.file = broker, folder / "lastseen.db"
        self._options, self._settings = options, settings
        self.clock, self.told = FakeClock(MIDNIGHT), RecordingNotifier()
        self.monitor: HeartbeatMonitor | None = None
        self._heard: Counter[tuple[str, str]] = Counter()
        self._witness = Client(broker, "witness")
        self._numbers = itertools.count()

    async def begin(self) -> None:
        await asyncio.to_thread(self._witness.connect, self._note)
        await asyncio.to_thread(self._witness.subscribe, "#")
        await self.say(self._witness, "sentinel/one", "ready", qos=1)

    def _note(self, message: Any) -> None:
        self._heard[message.topic, message.payload.decode()] += 1

    # -- lastseen itself

    async def start(self) -> None:
        Session.alive.clear()
        given = {"auto_add": True, **self._options}
        bindings = [*given.pop("bindings", ()), SENTINEL]
        source = MqttSource(self.broker.url, bindings=bindings, **given)
        self.monitor = HeartbeatMonitor(
            f"sqlite:///{self.file}",
            notify={"ops": self.told},
            clock=self.clock,
            sources=[source],
            node="test",
            **self._settings,
        )
        await self.monitor.start()
        await self.is_up()

    async def is_up(self) -> None:
        monitor = self.monitor
        assert monitor is not None
        await eventually(lambda: monitor._loops.listener.ears["mqtt"].hears, timeout=ANSWERS_WITHIN)
        await self.heard()

    async def stop(self) -> None:
        """As a service is stopped. Its link was there until now."""
        assert self.monitor is not None
        await self.heard()
        await self.monitor.stop()
        self.monitor = None

    # -- what devices do

    async def say(self, client: Client, topic: str, payload: str, retain: bool = False, qos: int = 0) -> None:
        """Returns when the broker has handed it on."""
        before = self._heard[topic, payload]
        await asyncio.to_thread(client.say, topic, payload, retain, qos)
        await eventually(lambda: self._heard[topic, payload] > before, every=0.001)

    async def cut(self, client: Client, topic: str, payload: str, how: Callable[[Client], None] = Client.cut) -> None:
        """Returns when the broker has spoken its will."""
        before = self._heard[topic, payload]
        await asyncio.to_thread(how, client)
        await eventually(lambda: self._heard[topic, payload] > before, every=0.001)

    async def heard(self) -> None:
        """What the broker has handed on is stored."""
        if self.monitor is None:
            return
        said = ("sentinel/one", str(next(self._numbers)))
        await self.say(self._witness, *said, qos=1)
        await eventually(lambda: (said[0], said[1].encode()) in Overheard.acknowledged, every=0.001)
        await eventually(lambda: all(session.at_rest for session in Session.alive), every=0.001)
        await self.clock.settled()

    # -- time

    async def pass_until(self, moment: timedelta) -> None:
        ahead = MIDNIGHT + moment - self.clock.now()
        if ahead > timedelta(0):
            await self.clock.advance(ahead)

    async def run(self, plan: Iterable[tuple[str, Deed]], every: Iterable[tuple[str, Deed]], until: str) -> None:
        """`every`: how often, from midnight on, and what. At one moment the plan goes first."""
        end, moments = span(until), [(span(text), 0, deed) for text, deed in plan]
        for text, deed in every:
            step = span(text)
            moments += [(step * n, 1, deed) for n in range(1, int(end / step) + 1)]
        for moment, together in itertools.groupby(sorted(moments, key=lambda m: m[:2]), lambda m: m[0]):
            await self.pass_until(moment)
            for _, _, deed in together:
                await deed()
            await self.heard()
        await self.pass_until(end)

    # -- what came of it

    def outages(self) -> dict[str, list[Outage]]:
        query = """SELECT m.slug, o.started_at, o.detected_at, o.ended_at, o.reason
                   FROM outages o JOIN machines m ON m.id = o.machine_id ORDER BY o.started_at, o.detected_at"""
        found: dict[str, list[Outage]] = {}
        with closing(sqlite3.connect(self.file)) as connection:
            for slug, since, seen, back, why in connection.execute(query):
                found.setdefault(slug, []).append(
                    Outage(clock_time(since), clock_time(seen), back and clock_time(back), why)
                )
        return found

    def words(self) -> list[str]:
        return [f"{e.type} {e.machine or e.source}" for m in self.told.messages for e in m.events]

    async def unknown(self, *slugs: str) -> bool:
        """There are no such machines."""
        assert self.monitor is not None
        return not await self.monitor.statuses(slugs)

    async def status(self, slug: str) -> str:
        assert self.monitor is not None
        return (await self.monitor.status(slug)).status.value


def span(text: str) -> timedelta:
    """`hh:mm` or `hh:mm:ss`, as the time since midnight."""
    hours, minutes, *seconds = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=sum(seconds))


def clock_time(text: str) -> str:
    """Of a time in the database; another day than this one is written in full."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return f"{moment:%H:%M:%S}" if moment.date() == MIDNIGHT.date() else moment.isoformat()


def watch_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links and sessions that can be asked what they have done, and that connect again at once."""
    monkeypatch.setattr(session, "Link", Overheard)
    monkeypatch.setattr(module, "Session", Session)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.2)
    Overheard.acknowledged.clear()
    Session.alive.clear()


@asynccontextmanager
async def a_day(
    broker: Mosquitto, folder: Path, options: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[Day]:
    """With a broker of its own: what it keeps is part of the day. lastseen is not started yet."""
    watch_links(monkeypatch)
    day = Day(broker, folder, options, **settings)
    await day.begin()
    try:
        yield day
    finally:
        if day.monitor is not None:
            await day.stop()
        await asyncio.to_thread(day._witness.leave)
