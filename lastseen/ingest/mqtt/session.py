"""What is said on one broker, over all our connections to it: taken, stored, and acknowledged in its order."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lastseen.clock import rfc3339
from lastseen.errors import Busy, InvalidInput, LastseenError, MalformedReport, StoreUnavailable, UnknownMachine
from lastseen.ingest.mqtt.bindings import Binding, Heard
from lastseen.ingest.mqtt.bridge import Bridge
from lastseen.ingest.mqtt.link import Broker, Link, LinkLost
from lastseen.ingest.mqtt.publish import Publisher
from lastseen.log import get_logger
from lastseen.model import PRESENCE, Beat
from lastseen.monitor.duty import LOOK_AGAIN, Hold

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

    from lastseen.ingest.mqtt.source import MqttSource
    from lastseen.monitor.sources import Port

SPAN = timedelta(seconds=15)
"""For which one of several nodes has what cannot be shared, unless it is renewed."""

LATE = 4
"""Looks, half a second apart, after which a broker that has not answered is behind."""

QUEUES_FROM = 20
"""Messages that wait for our acknowledgement from which on a broker may keep others back: Mosquitto's
`max_inflight_messages`, unless it is set."""

QUEUED = 1000
"""Messages that it keeps back for a client at most: `max_queued_messages`, unless it is set. They come in their order:
what comes after as many was not there when it was asked."""

MOST_QUEUED = 100_000
"""As many as it may keep back where that was set as the docs say."""

_MOMENT = timedelta(microseconds=1)
"""Between two messages that have waited: they stay in their order."""

_log = get_logger()


class Session:
    """What is said on one source, over all its connections."""

    def __init__(self, source: MqttSource, port: Port) -> None:
        self._source, self._port = source, port
        self._bridges: dict[int, Bridge] = {}  # by the place of their binding
        self._behind: dict[tuple[int, str], deque[tuple[Binding, Heard, datetime | None, asyncio.Future[None]]]] = {}
        self._looking: set[asyncio.Task[None]] = set()
        self._publisher = None if source.outlet is None else Publisher(source.outlet, port)
        self._link: Link | None = None
        self._hold: Hold | None = None
        self._waiting: deque[tuple[int, list[asyncio.Future[None]]]] = deque()
        self._taken = 0
        self._lagging: asyncio.Task[None] | None = None
        self._broken: str | None = None
        self._received_at = port.clock.now()
        self._dated = datetime.min.replace(tzinfo=UTC)
        self.was_up = False

    async def prepare(self) -> None:
        """What stands behind a bridge is a source of its own: it can be cut off while our link is there."""
        self._port.catches_up(self._catch_up_with_broker, None if self._source.shared else self._stood_still)
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
            if link.resumed:
                await self._has_sent_all(link, queued=MOST_QUEUED)  # what it kept for us while we were away
            await link.subscribe(self._source.together())
            self.was_up = True
            if self._source.together():
                self._port.up()
            async with self._beside(self._duty(link) if self._source.shared else self._alone(link)):
                why = await asyncio.shield(link.lost)  # shielded: to be cancelled is not to be lost
                raise LinkLost(self._broken or why)
        finally:
            self._link = None
            await link.close()

    @asynccontextmanager
    async def _beside(self, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """While the link is there."""
        task = asyncio.create_task(work)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _duty(self, link: Link) -> None:
        """What one node does for all, whenever that is us. Ends with the link."""
        topics = [topic for topic, _ in self._source.alone()]
        link.unsubscribe(topics)
        while topics:
            try:
                async with self._port.duty("listener", SPAN) as self._hold:
                    if self._hold is not None:
                        _log.info("source_taken", source=self._port.name)
                        try:
                            await link.subscribe(self._source.alone())
                            await self._alone(link)
                        finally:
                            link.unsubscribe(topics)
                            self._alone_no_more()
            except StoreUnavailable:
                pass  # whoever writes tells of it
            except LinkLost as error:
                self._lose(str(error))
                return
            await self._port.clock.sleep(LOOK_AGAIN)

    async def _alone(self, link: Link) -> None:
        """What was subscribed to alone is heard. Until cancelled."""
        self._port.up()
        for bridge in self._bridges.values():
            bridge.link_up()
        if self._publisher is None:
            await asyncio.Event().wait()
            return
        try:
            await self._publisher.run(link)
            await asyncio.Event().wait()  # it cannot, and has said so
        finally:
            self._publisher.leave(link)

    def _alone_no_more(self) -> None:
        """Another node has it, or will."""
        for bridge in self._bridges.values():
            bridge.link_down()
            bridge.port.down()
        if not self._source.together():
            self._stop_lagging()
            self._port.down()

    def down(self) -> None:
        self._port.down(self._received_at)
        for bridge in self._bridges.values():
            bridge.link_down()
            bridge.port.down(self._received_at)

    async def end(self) -> None:
        """Nothing of a connection that is gone is worked on any more: what was not acknowledged comes again."""
        self._stop_lagging()
        looking = list(self._looking)
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)

    # -- what the broker has for us

    async def _catch_up_with_broker(self) -> None:
        """What it had for us when it is asked is stored, or it does not answer, and nobody who reports on it is
        heard."""
        link = self._link
        if link is None:
            return
        try:
            if await self._has_sent_all(link, LATE):
                return
        except LinkLost:
            self.down()
            return
        if self._link is link:
            _log.warning("source_lags", source=self._port.name, since=rfc3339(self._received_at))
            self._fall_behind(link, self._received_at)

    async def _has_sent_all(self, link: Link, looks: int = 0, queued: int = QUEUED) -> bool:
        """False: no answer within so many looks. Raises LinkLost."""
        before = self._taken
        while True:
            acknowledged = self._taken - len(self._waiting)
            if not await link.echo(looks):
                return False
            may_queue = self._taken - acknowledged >= QUEUES_FROM  # as many at most waited when it answered
            received = [future for _, futures in self._waiting for future in futures]
            if received:
                await asyncio.wait(received)
            if not may_queue or self._taken - before >= queued:
                return True

    def _stood_still(self) -> None:
        """What was said meanwhile is read now, and counts as of the beginning of the stop until that is over."""
        if self._link is not None:
            self._fall_behind(self._link)

    def _fall_behind(self, link: Link, since: datetime | None = None) -> None:
        for port in (self._port, *(bridge.port for bridge in self._bridges.values())):
            port.down(since)
        self._stop_lagging()
        self._lagging = asyncio.create_task(self._until_caught_up(link))

    async def _until_caught_up(self, link: Link) -> None:
        try:
            await self._has_sent_all(link, queued=MOST_QUEUED)
        except LinkLost:
            return  # whoever listens tells of it
        self._port.up()
        for bridge in self._bridges.values():
            bridge.caught_up()

    def _stop_lagging(self) -> None:
        if self._lagging is not None:
            self._lagging.cancel()
            self._lagging = None

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
            self._taken += 1
            if not futures:
                self._acknowledge()

    def _take(self, topic: str, payload: bytes, retained: bool) -> list[asyncio.Future[None]]:
        futures: list[asyncio.Future[None]] = []
        if self._publisher is not None and self._publisher.heard(topic, payload, retained):
            return futures
        for place, binding in enumerate(self._source.bindings):
            if binding.wants_retained and self._hold is not None and not self._hold.good:
                continue  # we were stopped: another node has heard what is newer
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

    def _waited(self) -> datetime | None:
        """Of when a message that is received now counts, if it may have waited: where each hears everything, another
        node has it with its time. None: of now."""
        since = None if self._source.shared else self._port.said_since()
        if since is None:
            self._dated = self._received_at
            return None
        self._dated = max(since, self._dated + _MOMENT)
        return self._dated

    def _say(self, port: Port, binding: Binding, heard: Heard) -> Sequence[asyncio.Future[None]]:
        """Futures that are done when it is stored. A machine's messages stay in order, also while it is looked for."""
        name, key, waited = heard.machine, (port.id, heard.machine), self._waited()
        machine = port.known(name)
        if machine is not None and key not in self._behind and not heard.gone:
            return self._submit(port, machine, heard, waited)
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        stored.add_done_callback(functools.partial(self._settled, port, name))
        behind = self._behind.setdefault(key, deque())
        behind.append((binding, heard, waited, stored))
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
                binding, heard, waited, stored = behind[0]
                try:
                    self._when_stored(stored, await self._placed(port, binding, heard, waited))
                except Exception as error:  # noqa: BLE001  (one machine's trouble: its message is not acknowledged)
                    if isinstance(error, InvalidInput):  # it cannot be made as the source says, and that is told
                        port.malformed(heard.machine, str(error))
                    _end(stored, error)
                behind.popleft()
        finally:
            for *_, stored in behind:
                _end(stored, StoreUnavailable("stopping"))
            del self._behind[key]

    async def _placed(
        self, port: Port, binding: Binding, heard: Heard, waited: datetime | None
    ) -> Sequence[asyncio.Future[None]]:
        if heard.gone:
            await port.detach(heard.machine)
            return ()
        add = binding.machine_fields() if self._source.auto_add else None
        machine = await port.machine(heard.machine, add)
        if machine is None:
            port.unknown(heard.machine)
            return ()
        return self._submit(port, machine, heard, waited)

    def _when_stored(self, stored: asyncio.Future[None], futures: Sequence[asyncio.Future[None]]) -> None:
        if not futures:
            _end(stored, None)
            return
        whole = asyncio.gather(*futures, return_exceptions=True)
        whole.add_done_callback(lambda done: _end(stored, next((e for e in done.result() if e is not None), None)))

    def _submit(self, port: Port, machine: int, heard: Heard, waited: datetime | None) -> list[asyncio.Future[None]]:
        now, futures = port.clock.now(), []
        settled = functools.partial(self._settled, port, heard.machine)
        for said in heard.reports:
            more = (said.next_in, said.run, said.exit_code)
            at = now if waited is None or said.said in PRESENCE else waited  # of presence the newest word is the truth
            future = port.submit(Beat(machine, at, said.said, port.id, said.body, said.said_at, *more))
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
        self._lose(f"what it sent could not be stored: {error}")

    def _lose(self, why: str) -> None:
        self._broken = why
        if self._link is not None and not self._link.lost.done():
            self._link.lost.set_result(why)


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
