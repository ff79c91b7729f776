"""One connection to a broker: paho's client, driven by the event loop's own readers and writers.

paho because it acknowledges when it is told to in MQTT 3.1.1 and 5 alike, which the faster clients do not. No thread
of its own: what is received is handled, committed and acknowledged on one loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

KEEPALIVE = 30
PATIENCE = 15.0
"""Seconds that a broker may take to answer."""

IN_FLIGHT = 1000
"""Messages that may wait for their acknowledgement."""

SESSION = 3600
"""Seconds that the broker keeps what comes for us while we are away."""

AT_ONCE = 256
"""Messages that are read before anything else has its turn."""

V5_REFUSED = frozenset({0x01, 0x84})
"""What a broker that does not speak MQTT 5 answers."""


class LinkLost(Exception):
    """The broker cannot be reached, refused us, or went away. The text says which, and holds no secret. `try_older`:
    another version of the protocol may be what it speaks."""

    def __init__(self, reason: str, try_older: bool = False) -> None:
        super().__init__(reason)
        self.try_older = try_older


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is and who we are there. `tls` None: without encryption."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    will: tuple[str, bytes] | None = None
    durable: bool = True


class _Client(paho.Client):
    """paho asks the broker for a sign of life when it wants to keep the connection; we want to ask, too. There is one
    answer to each question, in their order (MQTT 5.0, 3.12 and 4.6)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.questions: deque[asyncio.Future[None] | None] = deque()

    def ask(self) -> asyncio.Future[None]:
        """A future that is done when the broker has answered."""
        self._send_pingreq()
        answer = self.questions[-1] = asyncio.get_running_loop().create_future()
        return answer

    def _send_pingreq(self) -> MQTTErrorCode:
        self.questions.append(None)
        return super()._send_pingreq()

    def _handle_pingresp(self) -> MQTTErrorCode:
        asked = self.questions.popleft() if self.questions else None
        if asked is not None and not asked.done():
            asked.set_result(None)
        return super()._handle_pingresp()


class Link:
    """A connection that is made once. `on_message` is called on the loop for every message that is received."""

    def __init__(self, broker: Broker, on_message: Callable[[paho.MQTTMessage], None], version: int = 5) -> None:
        self._broker, self._on_message, self._version = broker, on_message, version
        self._loop = asyncio.get_running_loop()
        self._client = self._make()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self._subscribed: dict[int | None, asyncio.Future[list[Any]]] = {}
        self._published: dict[int, asyncio.Future[bool]] = {}
        self._received = 0
        self.resumed = False
        """Whether the broker has kept what came for us meanwhile."""
        self.on_sign: Callable[[], None] = lambda: None
        """Called when anything arrives, be it an answer to a keep-alive: the link was there until now."""
        self._ticking: asyncio.Task[None] | None = None

    def _make(self) -> _Client:
        broker, five = self._broker, self._version == 5
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=paho.MQTTv5 if five else paho.MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,
            clean_session=None if five else not broker.durable,
        )
        client.max_inflight_messages_set(IN_FLIGHT)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        if broker.will is not None:
            client.will_set(*broker.will, qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_one
        client.on_publish = self._on_publish
        client.on_socket_open, client.on_socket_close = self._on_open, self._on_close
        client.on_socket_register_write = self._on_register
        client.on_socket_unregister_write = self._on_unregister
        return client

    # -- opening and closing

    async def open(self) -> None:
        """Raises LinkLost."""
        properties: dict[str, Any] = {}
        if self._version == 5:
            wanted: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            wanted.ReceiveMaximum = IN_FLIGHT
            wanted.SessionExpiryInterval = SESSION if self._broker.durable else 0
            properties = {"properties": wanted, "clean_start": not self._broker.durable}
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.to_thread(
                    self._client.connect, self._broker.host, self._broker.port, KEEPALIVE, **properties
                )
                self._ticking = asyncio.create_task(self._tick())
                await self._connected
        except TimeoutError:
            await self.close()
            raise LinkLost(f"no answer within {PATIENCE:g} s") from None
        except (OSError, ValueError) as error:
            _close_leftover(error)
            await self.close()
            raise LinkLost(_words(error)) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Say goodbye, as far as that is possible. The broker keeps the session."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect()
            self._client.loop_write()
        sock = self._client.socket()
        if sock is not None:
            self._forget(sock)
            with contextlib.suppress(OSError):
                sock.close()
        self._fail("closed")

    async def _tick(self) -> None:
        """Keep-alives, and their absence."""
        while True:
            await asyncio.sleep(1)
            self._client.loop_misc()

    # -- talking

    async def subscribe(self, topics: Sequence[tuple[str, bool]]) -> None:
        """To filters, each with whether what the broker keeps is wanted. Raises LinkLost naming what is refused."""
        if not topics:
            return
        asked: list[Any] = [
            (topic, _options(topic, retained)) if self._version == 5 else (topic, 1) for topic, retained in topics
        ]
        code, mid = self._client.subscribe(asked)
        if code != paho.MQTT_ERR_SUCCESS:
            raise LinkLost("it went away")
        answer = self._subscribed[mid] = self._loop.create_future()
        try:
            async with asyncio.timeout(PATIENCE):
                codes = await answer
        except TimeoutError:
            raise LinkLost(f"no answer to the subscription within {PATIENCE:g} s") from None
        refused = [topic for (topic, _), code in zip(topics, codes, strict=True) if code.is_failure]
        if refused:
            raise LinkLost(f"the broker does not let us subscribe to {', '.join(refused)}")

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """What still comes on these is the other end's delay."""
        if topics and not self.lost.done():
            self._client.unsubscribe(list(topics))

    def ack(self, mid: int) -> None:
        """One message is ours now."""
        if not self.lost.done():
            self._client.ack(mid, 1)

    async def echo(self, looks: int = 0) -> bool:
        """Returns when the broker has answered, and so has sent what it had to send before it was asked, but for what
        it keeps until more of that is acknowledged. False: not within so many looks, half a second apart, if not 0;
        they are counted, and not the time, because it may be us who had no processor. Raises LinkLost."""
        if self.lost.done():
            raise LinkLost(self.lost.result())
        answer = self._client.ask()
        either: list[asyncio.Future[Any]] = [answer, self.lost]
        for _ in range(looks) if looks else itertools.count():
            await asyncio.wait(either, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            if self.lost.done():
                raise LinkLost(self.lost.result())
            if answer.done():
                return True
        return False

    def publish(self, topic: str, payload: bytes) -> asyncio.Future[bool]:
        """Retained. The future is done when the broker has it: whether it took it. On a lost link it never is."""
        done: asyncio.Future[bool] = self._loop.create_future()
        if not self.lost.done():
            self._published[self._client.publish(topic, payload, qos=1, retain=True).mid] = done
        return done

    async def publish_all(self, messages: Sequence[tuple[str, bytes]]) -> list[str]:
        """The topics that the broker refused; the older protocol has no word for that."""
        taken = await asyncio.gather(*[self.publish(topic, payload) for topic, payload in messages])
        return [topic for (topic, _), taken_ in zip(messages, taken, strict=True) if not taken_]

    # -- paho's callbacks

    def _on_connect(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
        if self._connected.done():
            return
        if not code.is_failure:
            self.resumed = bool(flags.session_present)
            self._connected.set_result(None)
            return
        older = self._version == 5 and code.value in V5_REFUSED
        self._connected.set_exception(LinkLost(f"the broker refused us: {code}", try_older=older))

    def _on_disconnect(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
        self._fail(str(code))

    def _fail(self, why: str) -> None:
        if not self.lost.done():
            self.lost.set_result(why)
        waiting: list[asyncio.Future[Any]] = [self._connected, *self._subscribed.values()]
        for future in waiting:
            if not future.done():  # some brokers hang up without a word on what they do not speak
                future.set_exception(LinkLost(f"the connection ended: {why}", try_older=True))
                future.exception()

    def _on_subscribe(self, client: Any, data: Any, mid: int, codes: list[Any], properties: Any) -> None:
        future = self._subscribed.get(mid)
        if future is not None and not future.done():
            future.set_result(codes)

    def _on_publish(self, client: Any, data: Any, mid: int, code: Any, properties: Any) -> None:
        future = self._published.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(not code.is_failure)

    def _on_one(self, client: Any, data: Any, message: paho.MQTTMessage) -> None:
        self._received += 1
        self._on_message(message)

    # -- the loop's readers and writers

    def _on_open(self, client: Any, data: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._listen, sock)

    def _listen(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.add_reader(sock, self._read, sock)

    def _on_close(self, client: Any, data: Any, sock: Any) -> None:
        with contextlib.suppress(RuntimeError):
            if asyncio.get_running_loop() is self._loop:
                self._forget(sock)
                return
        fileno = sock.fileno()
        self._loop.call_soon_threadsafe(lambda: self._loop.remove_reader(fileno) if fileno >= 0 else None)

    def _forget(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _on_register(self, client: Any, data: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._want_to_write, sock)

    def _want_to_write(self, sock: Any) -> None:
        if sock.fileno() >= 0 and self._client.want_write():
            self._loop.add_writer(sock, self._client.loop_write)

    def _on_unregister(self, client: Any, data: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)

    def _read(self, sock: Any) -> None:
        """All that is there, within bounds: paho reads one packet at a time."""
        for _ in range(AT_ONCE):
            before = self._received
            if self._client.loop_read() == paho.MQTT_ERR_SUCCESS and before == self._received:
                self.on_sign()
            pending = getattr(sock, "pending", None)  # what TLS holds already is no event any more
            if self._received == before and not (pending is not None and sock.fileno() >= 0 and pending()):
                return
        self._loop.call_soon(self._read_on, sock)

    def _read_on(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._read(sock)


def _options(topic: str, retained: bool) -> Any:
    """Live messages come without the flag, and what we publish ourselves does not come back."""
    shared = topic.startswith("$share/")  # there MQTT 5 forbids it
    return SubscribeOptions(qos=1, noLocal=not shared, retainAsPublished=False, retainHandling=0 if retained else 2)


def _close_leftover(error: BaseException) -> None:
    """paho leaves a socket open whose handshake failed; it is found where that happened."""
    trace = error.__traceback__
    while trace is not None:
        sock = trace.tb_frame.f_locals.get("ssl_sock")
        if isinstance(sock, ssl.SSLSocket):
            sock.close()
        trace = trace.tb_next


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'verify_message', '') or error.reason or 'failed'}"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
