"""Publishing back: how the machines stand, where other programs on the broker can read it.

`PREFIX/SLUG/state` is retained and changes with the machine's status. `PREFIX/status` says whether lastseen itself is
there: `online` once everything else is up to date, `offline` when it ends, and by its last will when it is cut off.
Home Assistant finds each machine by a discovery topic (its MQTT integration, `binary_sensor`).
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from lastseen.clock import rfc3339
from lastseen.errors import InvalidInput, StoreUnavailable
from lastseen.faults import Faults
from lastseen.ingest.mqtt.topics import check_topic
from lastseen.log import get_logger
from lastseen.release import version
from lastseen.words import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lastseen.ingest.mqtt.bindings import Binding
    from lastseen.ingest.mqtt.link import Link
    from lastseen.model import Standing
    from lastseen.monitor.feed import Feed
    from lastseen.monitor.sources import Port

LOOK_EVERY = 1.0
"""Seconds between two looks for what has changed."""

REFRESH = 3600.0
"""Seconds until everything is published again: names are changed without an event."""

AFTER_TROUBLE = 60.0

ONLINE = b"online"
DISCOVERY = "homeassistant"
OFF = "off"

CONNECTED = "{{ 'ON' if value_json.status in ('online', 'error') else 'OFF' }}"
WATCHED = "{{ 'online' if value_json.status in ('online', 'offline', 'error') else 'offline' }}"
"""Home Assistant's templates. A machine that is paused, or that was never heard, is neither there nor away."""

_log = get_logger()


class Outlet:
    """What is published where. `discovery` "off": nothing for Home Assistant. InvalidInput names the argument."""

    def __init__(self, prefix: str, discovery: str, bindings: Iterable[Binding]) -> None:
        faults = Faults()
        with faults.noted():
            self.prefix = check_topic(prefix.rstrip("/"), "publish")
        with faults.noted():
            self._discovery = None if discovery == OFF else check_topic(discovery.rstrip("/"), "discovery")
        faults.tell()
        self.status = f"{self.prefix}/status"
        self.will = (self.status, b"offline")
        self.filter = f"{self.prefix}/+/state"
        for binding in bindings:
            if binding.template.filter.startswith(f"{self.prefix}/"):
                raise InvalidInput(
                    say(
                        "{topic!r} is listened to below {prefix!r}: choose another",
                        topic=binding.topic,
                        prefix=self.prefix,
                    ),
                    "publish",
                )

    def owns(self, topic: str) -> bool:
        """It is one of ours, and no machine's word."""
        return topic == self.status or self.slug(topic) is not None

    def slug(self, topic: str) -> str | None:
        parts = topic.removeprefix(f"{self.prefix}/").split("/")
        return parts[0] if topic.startswith(f"{self.prefix}/") and len(parts) == 2 and parts[1] == "state" else None

    def messages(self, standing: Standing) -> list[tuple[str, bytes]]:
        """Topics and payloads for one machine. Home Assistant needs to know it before its state."""
        machine, row = standing.machine, standing.liveness
        state = {
            "slug": machine.slug,
            "name": machine.name,
            "status": row.status.value,
            "since": rfc3339(standing.since),
            "last_seen": rfc3339(row.last_seen),
            "kind": machine.kind,
            "group": machine.group,
        }
        said = [(self._topic(machine.slug), msgspec.json.encode(state))]
        if self._discovery is not None:
            said.insert(0, (self._config_topic(machine.slug), msgspec.json.encode(self._config(machine))))
        return said

    def farewell(self, slug: str) -> list[tuple[str, bytes]]:
        """The broker keeps nothing of it any more."""
        said = [(self._topic(slug), b"")]
        return said if self._discovery is None else [(self._config_topic(slug), b""), *said]

    def _topic(self, slug: str) -> str:
        return f"{self.prefix}/{slug}/state"

    def _id(self, slug: str) -> str:
        """Home Assistant takes fewer characters than a slug has. It stays the same over a new database."""
        return hashlib.sha256(f"{self.prefix}/{slug}".encode()).hexdigest()[:16]

    def _config_topic(self, slug: str) -> str:
        return f"{self._discovery}/binary_sensor/lastseen/{self._id(slug)}/config"

    def _config(self, machine: Any) -> dict[str, Any]:
        unique, state = f"lastseen_{self._id(machine.slug)}", self._topic(machine.slug)
        return {
            "name": None,  # that of the device
            "unique_id": unique,
            "device_class": "connectivity",
            "state_topic": state,
            "value_template": CONNECTED,
            "json_attributes_topic": state,
            "availability": [{"topic": self.status}, {"topic": state, "value_template": WATCHED}],
            "availability_mode": "all",
            "device": {"identifiers": [unique], "name": machine.name},
            "origin": {"name": "lastseen", "sw_version": version()},
        }


class Publisher:
    """Keeps an outlet up to date over one connection after the other."""

    def __init__(self, outlet: Outlet, port: Port) -> None:
        self._outlet, self._port = outlet, port
        self._kept: set[str] = set()
        self._denied = False
        self._refused = False

    def heard(self, topic: str, payload: bytes, retained: bool) -> bool:
        """Whether the topic is one of ours. What the broker still keeps of a machine that is no more is taken back."""
        slug = self._outlet.slug(topic)
        if topic == self._outlet.status and not retained and payload != ONLINE:
            self._denied = True  # the last will of another node: we are there
        if slug is not None and retained and payload:
            self._kept.add(slug)
        return self._outlet.owns(topic)

    async def run(self, link: Link) -> None:
        """Until cancelled."""
        feed = self._port.feed()
        if not feed.possible:
            _log.error("publishing_impossible", source=self._port.name, reason="the store lists no machines")
            return
        self._refused = False
        while True:
            try:
                await self._follow(link, feed)
            except StoreUnavailable:
                await asyncio.sleep(LOOK_EVERY)  # whoever writes tells of it
            except Exception as error:  # noqa: BLE001  (the machines are heard all the same, and it is told)
                _log.error("publishing_failed", source=self._port.name, error=repr(error))
                await asyncio.sleep(AFTER_TROUBLE)

    async def _follow(self, link: Link, feed: Feed) -> None:
        """Everybody, and then what changes, until it is time for everybody again."""
        began = self._port.clock.monotonic()
        await feed.begin()
        async for some in feed.everybody():
            await self._show(link, some, ())
        await self._publish(link, [(self._outlet.status, ONLINE)])
        self._denied = False
        while self._port.clock.monotonic() - began < REFRESH:
            await self._clear(link, feed)
            if self._denied:
                self._denied = False
                await self._publish(link, [(self._outlet.status, ONLINE)])
            await asyncio.sleep(LOOK_EVERY)
            news = await feed.news()
            if news is None:
                return
            await self._show(link, news.standings, news.gone)

    async def _clear(self, link: Link, feed: Feed) -> None:
        kept, self._kept = self._kept, set()
        if kept:
            await self._show(link, (), await feed.unknown(kept))

    async def _show(self, link: Link, standings: Sequence[Standing], gone: Sequence[str]) -> None:
        said = [message for slug in gone for message in self._outlet.farewell(slug)]
        said += [message for standing in standings for message in self._outlet.messages(standing)]
        await self._publish(link, said)

    async def _publish(self, link: Link, messages: Sequence[tuple[str, bytes]]) -> None:
        refused = await link.publish_all(messages)
        if refused and not self._refused:
            self._refused = True
            _log.error("publishing_refused", source=self._port.name, topic=refused[0])

    def leave(self, link: Link) -> None:
        """The last will is for those who are cut off; we go by ourselves."""
        link.publish(*self._outlet.will)
