"""Asking a broker about itself, as a visitor who leaves nothing behind. For `lastseen doctor`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

import paho.mqtt.client as paho

from lastseen.doctor.brokers import TOPICS, judge, unreachable
from lastseen.doctor.finding import Finding
from lastseen.ingest.mqtt.link import Broker, Link, LinkLost
from lastseen.ingest.mqtt.source import MqttSource

ANSWERS_WITHIN = 3.0
"""Seconds for what the broker keeps under `$SYS`; some keep nothing."""

LINK_WITHIN = 5.0


async def probe(source: MqttSource) -> Sequence[Finding]:
    """What is to be said of this source's broker."""
    name, broker = source.name, visitor(source)
    try:
        async with asyncio.timeout(2 * (LINK_WITHIN + ANSWERS_WITHIN)):
            said = await _asked(broker)
    except TimeoutError:
        return [unreachable(name, "no answer")]
    except LinkLost as error:
        return [unreachable(name, str(error))]
    return list(judge(name, said))


def visitor(source: MqttSource) -> Broker:
    """Its broker under a name of our own, without a session: the server's is not disturbed."""
    return source.broker(f"lastseen-doctor-{secrets.token_hex(3)}")


async def _asked(broker: Broker) -> dict[str, str]:
    try:
        return await _asked_in(broker, 5)
    except LinkLost as error:
        if not error.try_older:
            raise
        return await _asked_in(broker, 4)


async def _asked_in(broker: Broker, version: int) -> dict[str, str]:
    """Payloads by topic, of TOPICS."""
    said: dict[str, str] = {}
    complete = asyncio.Event()

    def on_message(message: paho.MQTTMessage) -> None:
        said[message.topic] = bytes(message.payload)[:200].decode("utf-8", "replace")
        if len(said) == len(TOPICS):
            complete.set()

    link = Link(broker, on_message, version)
    try:
        async with asyncio.timeout(LINK_WITHIN):
            await link.open()
        try:
            await link.subscribe([(topic, True) for topic in TOPICS])
        except LinkLost:
            return said  # it lets us in, and does not speak of itself
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                await complete.wait()
        except TimeoutError:
            pass  # some brokers keep nothing there
    finally:
        await link.close()
    return said
