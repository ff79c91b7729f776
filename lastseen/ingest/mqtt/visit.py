"""Looking in at a broker: whether it is there, lets us in, and what it says of the topics of a source. As a visitor who
leaves nothing behind."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import paho.mqtt.client as paho

from lastseen.ingest.mqtt.link import Broker, Link, LinkLost
from lastseen.ingest.mqtt.source import MqttSource

LISTENS = 3.0
"""Seconds."""

WITHIN = 15.0
"""Seconds for all of it."""

TOPICS = 1000
"""Topics that are counted."""


@dataclass(frozen=True, slots=True)
class Visit:
    """`trouble`: why nothing can be heard, "" for none. `heard`: how many messages by topic, what the broker keeps
    among them."""

    trouble: str = ""
    heard: Mapping[str, int] = field(default_factory=dict)


async def visit(source: MqttSource) -> Visit:
    broker = source.broker(f"lastseen-visit-{secrets.token_hex(3)}")
    try:
        async with asyncio.timeout(WITHIN):
            return await _looked(source, broker)
    except TimeoutError:
        return Visit(f"no answer within {WITHIN:g} s")
    except LinkLost as error:
        return Visit(str(error))


async def _looked(source: MqttSource, broker: Broker) -> Visit:
    try:
        return await _looked_in(source, broker, 5)
    except LinkLost as error:
        if not error.try_older:
            raise
        return await _looked_in(source, broker, 4)


async def _looked_in(source: MqttSource, broker: Broker, version: int) -> Visit:
    heard: Counter[str] = Counter()

    def on_message(message: paho.MQTTMessage) -> None:
        if message.topic in heard or len(heard) < TOPICS:
            heard[message.topic] += 1

    link = Link(broker, on_message, version)
    try:
        await link.open()
        topics = dict.fromkeys(binding.template.filter for binding in source.bindings)
        await link.subscribe([(topic, True) for topic in topics])
        await asyncio.wait({link.lost}, timeout=LISTENS)
        return Visit(link.lost.result() if link.lost.done() else "", dict(heard))
    finally:
        await link.close()
