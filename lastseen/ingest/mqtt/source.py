"""A broker as a way in: what it says is acknowledged when it is stored, and while it cannot be heard it is blind."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lastseen.durations import Duration
from lastseen.errors import InvalidInput
from lastseen.faults import Faults
from lastseen.ingest.mqtt.address import Address, tls_context
from lastseen.ingest.mqtt.bindings import Binding, make_bindings
from lastseen.ingest.mqtt.link import Broker, LinkLost
from lastseen.ingest.mqtt.publish import DISCOVERY, Outlet
from lastseen.ingest.mqtt.session import Session
from lastseen.ingest.mqtt.topics import check_topic
from lastseen.log import get_logger
from lastseen.monitor.sources import Port
from lastseen.words import say

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two tries to connect; they double, with jitter."""

OTHER = {5: 4, 4: 5}
"""Versions of the protocol; 4 is MQTT 3.1.1."""

_OF_ONE_RUN = re.compile(r":[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
"""Ends the name of a node that will be called otherwise when it is started again."""

CONFIG = frozenset(
    {"url", "presets", "bind", "base", "offline_after", "kind", "auto_add", "username", "ca", "cert", "key", "share"}
    | {"publish", "discovery", "client_id", "goodbye_grace"}
)
"""Fields of a source's row; the password is among its secrets."""

PAUSED = "paused"
"""In a row: nobody listens to it for now."""

_log = get_logger()


class MqttSource:
    """One broker. InvalidInput names the wrong argument.

    `url` is `mqtt://host[:port]` or `mqtts://…`, where user and password may stand too. `presets` and `bindings` (also
    as texts, `TOPIC=mode`) say which topics are heard; `base` is the first part of the presets' topics. Unknown
    machines are made if `auto_add`, with `goodbye_grace` as a grace of their own. `share`: several nodes listen; each
    has its part of the heartbeat topics, by a shared subscription of this group, and one has the rest (`alone`).
    `client_id` must stay the same from one run to the next for the broker to keep what comes meanwhile; by default it
    is made of the node's name, if that stays the same.
    """

    kind = "mqtt"
    from_row = False
    """It stands in the store as a row, which people may remove while somebody begins to listen to it."""

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
        self.bindings: tuple[Binding, ...] = ()
        self.outlet: Outlet | None = None
        faults = Faults()
        with faults.noted():
            self._address = Address(url, username, password)
            with faults.noted():
                self._tls = tls_context(self._address.scheme, ca, cert, key)
            self._address.check_user()
        with faults.noted():
            self.bindings = make_bindings(
                tuple(presets), tuple(bindings), base or "", offline_after, kind, goodbye_grace
            )
        with faults.noted():
            if share is not None:
                check_topic(share, "share")
        if share is not None and client_id is not None:
            faults.note(
                InvalidInput(say("is that of one connection: leave it out where several nodes share"), "client_id")
            )
        with faults.noted():
            if publish is not None:
                self.outlet = Outlet(publish, discovery, self.bindings)
        faults.tell()
        self._share, self._client_id = share, client_id

    @classmethod
    def from_config(cls, name: str, config: Mapping[str, Any], secrets: Mapping[str, str]) -> MqttSource:
        """From a row of `sources`."""
        for unknown in config.keys() - CONFIG - {PAUSED}:
            raise InvalidInput(say("is no option of an MQTT source"), unknown)
        given = {field: value for field, value in config.items() if value is not None and field != PAUSED}
        bind = given.pop("bind", ())
        return cls(**{"url": "", **given}, name=name, bindings=bind, password=secrets.get("password"))

    def __repr__(self) -> str:
        return f"MqttSource({self._address.scheme}://{self._address.host}:{self._address.port}, name={self.name!r})"

    async def run(self, port: Port) -> None:
        """Connect, listen, and connect again, until cancelled."""
        session = Session(self, port)
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
        stays = self._client_id is not None or not _OF_ONE_RUN.search(port.node)
        durable = stays and not self.shared  # of a group's messages none may wait for a node that does not come back
        return self.broker(client_id, durable, None if self.outlet is None else self.outlet.will)

    @property
    def shared(self) -> bool:
        return self._share is not None

    def together(self) -> list[tuple[str, bool]]:
        """What every node subscribes to, and whether what the broker keeps is wanted. Nodes that do not share
        subscribe to everything."""
        if self._share is None:
            return self.alone()
        heartbeats = [one.template.filter for one in self.bindings if not one.wants_retained]
        return [(f"$share/{self._share}/{topic}", False) for topic in dict.fromkeys(heartbeats)]

    def alone(self) -> list[tuple[str, bool]]:
        """What one node subscribes to for all, as `together`: what the broker keeps cannot be shared. Bridges first:
        what is kept of them says how to take the rest."""
        bridges = [topic for binding in self.bindings for topic in (binding.bridge, binding.members) if topic]
        found = dict.fromkeys(bridges, True)
        for binding in self.bindings:
            if binding.wants_retained or not self.shared:
                topic = binding.template.filter
                found[topic] = found.get(topic, False) or binding.wants_retained
        if self.outlet is not None:
            found |= {self.outlet.filter: True, self.outlet.status: False}
        return list(found.items())
