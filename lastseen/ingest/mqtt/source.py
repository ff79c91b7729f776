"""A broker as a way in: what it says is acknowledged when it is stored, and while it cannot be heard it is blind."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from paho.mqtt.client import MQTTMessage

from lastseen.durations import Duration
from lastseen.errors import Busy, InvalidInput, LastseenError, MalformedReport, StoreUnavailable, UnknownMachine
from lastseen.ingest.mqtt.address import Address, tls_context
from lastseen.ingest.mqtt.bindings import Binding, Heard, make_bindings
from lastseen.ingest.mqtt.bridge import Bridge
from lastseen.ingest.mqtt.link import Broker, Link, LinkLost
from lastseen.ingest.mqtt.publish import DISCOVERY, Outlet, Publisher
from lastseen.ingest.mqtt.topics import check_topic
from lastseen.log import get_logger
from lastseen.model import Beat
from lastseen.monitor.sources import Port

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two tries to connect; they double, with jitter."""

OTHER = {5: 4, 4: 5}
"""Versions of the protocol; 4 is MQTT 3.1.1."""

CONFIG = frozenset(
    {"url", "presets", "bind", "base", "offline_after", "kind", "auto_add", "username", "ca", "cert", "key", "share"}
    | {"publish", "discovery", "client_id", "goodbye_grace"}
)
"""Fields of a source's row; the password is among its secrets."""

_log = get_logger()


class MqttSource:
    """One broker. InvalidInput names the wrong argument.

    `url` is `mqtt://host[:port]` or `mqtts://…`, where user and password may stand too. `presets` and `bindings` (also
    as texts, `TOPIC=mode`) say which topics are heard; `base` is the first part of the presets' topics. Unknown
    machines are made if `auto_add`, with `goodbye_grace` as a grace of their own. `share`: the group of a shared
    subscription for heartbeat topics. `client_id` must stay the same from one run to the next for the broker to keep
    what comes meanwhile; by default it is made of the node's name, if that stays the same.
    """

    kind = "mqtt"

    def __init__(
        self,
        url: str,
        *,
        name: str = "mqtt",
        presets: Sequence[str] = (),
        bindings: Sequence[Binding | str] = (),
        base: str | None = None,
        offline_after: Duration | None = None,
        kind: str | None = None,
        goodbye_grace: Duration | None = None,
        auto_add: bool = False,
        username: str | None = None,
        password: str | None = None,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        share: str | None = None,
        publish: str | None = None,
        discovery: str = DISCOVERY,
        client_id: str | None = None,
    ) -> None:
        self.name, self.auto_add = name, auto_add
        self._address = Address(url, username, password)
        self._tls = tls_context(self._address.scheme, ca, cert, key)
        self.bindings = make_bindings(tuple(presets), tuple(bindings), base or "", offline_after, kind, goodbye_grace)
        if share is not None:
            check_topic(share, "share")
        self._share, self._client_id = share, client_id
        self.outlet = None if publish is None else Outlet(publish, discovery, self.bindings)

    @classmethod
    def from_config(cls, name: str, config: Mapping[str, Any], secrets: Mapping[str, str]) -> MqttSource:
        """From a row of `sources`."""
        for unknown in config.keys() - CONFIG:
            raise InvalidInput("is no option of an MQTT source", unknown)
        given = {field: value for field, value in config.items() if value is not None}
        bind = given.pop("bind", ())
        return cls(**{"url": "", **given}, name=name, bindings=bind, password=secrets.get("password"))

    def __repr__(self) -> str:
        return f"MqttSource({self._address.scheme}://{self._address.host}:{self._address.port}, name={self.name!r})"

    async def run(self, port: Port) -> None:
        """Connect, listen, and connect again, until cancelled."""
        session = _Session(self, port)
        await session.prepare()
        pause, version = FIRST_PAUSE, 5
        while True:
            began = port.clock.monotonic()
            try:
                await session.listen(self._listener(port), version)
            except LinkLost as error:
                if error.try_older and not session.was_up:
                    version = OTHER[version]
                _log.warning("mqtt_link_lost", source=self.name, reason=str(error))
            finally:
                session.down()
                await session.end()
            if port.clock.monotonic() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311  (jitter)
            pause = FIRST_PAUSE if session.was_up else min(pause * 2, LONGEST_PAUSE)
            session.was_up = False

    def broker(self, client_id: str, durable: bool = False, will: tuple[str, bytes] | None = None) -> Broker:
        """Where it is and who we are there, under this client id. `durable`: the broker keeps the session."""
        there = self._address
        return Broker(
            there.host, there.port, client_id, there.username, there.password, self._tls, will=will, durable=durable
        )

    def _listener(self, port: Port) -> Broker:
        """The one that hears for us."""
        client_id = self._client_id
        if client_id is None:
            digest = hashlib.sha256(f"{port.node}/{self.name}".encode()).hexdigest()
            client_id = f"lastseen-{digest[:12]}"  # 21 characters: within what every broker must take
        durable = self._client_id is not None or not port.node.startswith("lib:")
        return self.broker(client_id, durable, None if self.outlet is None else self.outlet.will)

    def filters(self) -> list[tuple[str, bool]]:
        """What to subscribe to, and whether what the broker keeps is wanted. Bridges first: what is kept of them says
        how to take the rest."""
        bridges = [topic for binding in self.bindings for topic in (binding.bridge, binding.members) if topic]
        found = dict.fromkeys(bridges, True)
        for binding in self.bindings:
            topic = binding.template.filter
            if self._share is not None and not binding.wants_retained:
                topic = f"$share/{self._share}/{topic}"
            found[topic] = found.get(topic, False) or binding.wants_retained
        if self.outlet is not None:
            found[self.outlet.filter] = True
        return list(found.items())


class _Session:
    """What is said on one source, over all its connections."""

    def __init__(self, source: MqttSource, port: Port) -> None:
        self._source, self._port = source, port
        self._bridges: dict[int, Bridge] = {}  # by the place of their binding
        self._behind: dict[tuple[int, str], deque[tuple[Binding, Heard, asyncio.Future[None]]]] = {}
        self._looking: set[asyncio.Task[None]] = set()
        self._publisher = None if source.outlet is None else Publisher(source.outlet, port)
        self._link: Link | None = None
        self._waiting: deque[tuple[int, list[asyncio.Future[None]]]] = deque()
        self._broken: str | None = None
        self._received_at = port.clock.now()
        self.was_up = False

    async def prepare(self) -> None:
        """What stands behind a bridge is a source of its own: it can be cut off while our link is there."""
        await self._port.learn()
        for place, binding in enumerate(self._source.bindings):
            if binding.bridge is not None:
                self._bridges[place] = Bridge(binding, await self._port.part(binding.bridge.split("/")[0]))

    async def listen(self, broker: Broker, version: int) -> None:
        """Until the link is lost; always raises LinkLost."""
        self._waiting.clear()
        self._broken = None
        link = self._link = Link(broker, self._on_message, version)
        link.on_sign = self._heard_of
        try:
            await link.open()
            await link.subscribe(self._source.filters())
            self._up()
            async with self._publishing(link):
                why = await asyncio.shield(link.lost)  # shielded: to be cancelled is not to be lost
                raise LinkLost(self._broken or why)
        finally:
            self._link = None
            await link.close()

    @asynccontextmanager
    async def _publishing(self, link: Link) -> AsyncIterator[None]:
        """While the link is there."""
        if self._publisher is None:
            yield
            return
        task = asyncio.create_task(self._publisher.run(link))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._publisher.leave(link)

    def _up(self) -> None:
        self.was_up = True
        self._port.up()
        for bridge in self._bridges.values():
            bridge.link_up()

    def down(self) -> None:
        self._port.down(self._received_at)
        for bridge in self._bridges.values():
            bridge.link_down()
            bridge.port.down(self._received_at)

    async def end(self) -> None:
        """Nothing of a connection that is gone is worked on any more: what was not acknowledged comes again."""
        looking = list(self._looking)
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)

    # -- one message

    def _heard_of(self) -> None:
        self._received_at = self._port.clock.now()

    def _on_message(self, message: MQTTMessage) -> None:
        self._heard_of()
        try:
            futures = self._take(message.topic, bytes(message.payload), bool(message.retain))
        except (InvalidInput, MalformedReport) as error:
            self._port.malformed(message.topic, str(error))
            futures = []
        except UnicodeDecodeError:
            self._port.malformed("?", "its topic is no UTF-8")
            futures = []
        if message.qos:
            self._waiting.append((message.mid, futures))
            if not futures:
                self._acknowledge()

    def _take(self, topic: str, payload: bytes, retained: bool) -> list[asyncio.Future[None]]:
        futures: list[asyncio.Future[None]] = []
        if self._publisher is not None and self._publisher.heard(topic, payload, retained):
            return futures
        for place, binding in enumerate(self._source.bindings):
            bridge = self._bridges.get(place)
            if bridge is not None and bridge.owns(topic):
                for heard in bridge.told(topic, payload):
                    futures += self._say(bridge.port, binding, heard)
                continue
            said = binding.read(topic, payload, retained)
            if said is None or (not said.reports and not said.gone):
                continue
            if bridge is None:
                futures += self._say(self._port, binding, said)
            elif bridge.knows(said):
                futures += self._say(bridge.port, binding, said)
        return futures

    def _say(self, port: Port, binding: Binding, heard: Heard) -> Sequence[asyncio.Future[None]]:
        """Futures that are done when it is stored. A machine's messages stay in order, also while it is looked for."""
        name, key = heard.machine, (port.id, heard.machine)
        machine = port.known(name)
        if machine is not None and key not in self._behind and not heard.gone:
            return self._submit(port, machine, heard)
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stored.add_done_callback(functools.partial(self._settled, port, name))
        behind = self._behind.setdefault(key, deque())
        behind.append((binding, heard, stored))
        if len(behind) == 1:
            task = asyncio.create_task(self._catch_up(port, key))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
        return [stored]

    async def _catch_up(self, port: Port, key: tuple[int, str]) -> None:
        """Find a machine, and hand on in order what has come for it meanwhile."""
        behind = self._behind[key]
        try:
            while behind:
                binding, heard, stored = behind[0]
                try:
                    self._when_stored(stored, await self._placed(port, binding, heard))
                except Exception as error:  # noqa: BLE001  (one machine's trouble: its message is not acknowledged)
                    if isinstance(error, InvalidInput):  # it cannot be made as the source says, and that is told
                        port.malformed(heard.machine, str(error))
                    _end(stored, error)
                behind.popleft()
        finally:
            for _, _, stored in behind:
                _end(stored, StoreUnavailable("stopping"))
            del self._behind[key]

    async def _placed(self, port: Port, binding: Binding, heard: Heard) -> Sequence[asyncio.Future[None]]:
        if heard.gone:
            await port.detach(heard.machine)
            return ()
        add = binding.machine_fields() if self._source.auto_add else None
        machine = await port.machine(heard.machine, add)
        if machine is None:
            port.unknown(heard.machine)
            return ()
        return self._submit(port, machine, heard)

    def _when_stored(self, stored: asyncio.Future[None], futures: Sequence[asyncio.Future[None]]) -> None:
        if not futures:
            _end(stored, None)
            return
        whole = asyncio.gather(*futures, return_exceptions=True)
        whole.add_done_callback(lambda done: _end(stored, next((e for e in done.result() if e is not None), None)))

    def _submit(self, port: Port, machine: int, heard: Heard) -> list[asyncio.Future[None]]:
        now, futures = port.clock.now(), []
        settled = functools.partial(self._settled, port, heard.machine)
        for said in heard.reports:
            more = (said.next_in, said.run, said.exit_code)
            future = port.submit(Beat(machine, now, said.said, port.id, said.body, said.said_at, *more))
            future.add_done_callback(settled)
            futures.append(future)
        return futures

    # -- acknowledging, in the order in which it was received

    def _settled(self, port: Port, name: str, future: asyncio.Future[None]) -> None:
        if not future.cancelled() and isinstance(future.exception(), UnknownMachine):
            port.forget(name)
        self._acknowledge()

    def _acknowledge(self) -> None:
        while self._waiting and all(future.done() for future in self._waiting[0][1]):
            mid, futures = self._waiting[0]
            failed = next((e for f in futures if (e := _failure(f)) is not None), None)
            if failed is not None:
                self._break(failed)
                return
            self._waiting.popleft()
            if self._link is not None:
                self._link.ack(mid)

    def _break(self, error: BaseException) -> None:
        """It could not be stored: it is not acknowledged, and comes again on the next connection."""
        self._waiting.clear()
        self._broken = f"what it sent could not be stored: {error}"
        if self._link is not None and not self._link.lost.done():
            self._link.lost.set_result(self._broken)


def _failure(future: asyncio.Future[None]) -> BaseException | None:
    """Why it must come again. A machine that was removed is no reason."""
    if future.cancelled():
        return StoreUnavailable("stopping")
    error = future.exception()
    if error is None or isinstance(error, UnknownMachine):
        return None
    if isinstance(error, StoreUnavailable | Busy):
        return error
    if isinstance(error, LastseenError):
        return None  # refused for what it is: it would be refused again
    return error


def _end(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
