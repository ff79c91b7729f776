"""Draining a real Mosquitto at QoS 1, each message acknowledged when it is stored; against the same client that
acknowledges at once and stores nothing."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import anyio
import paho.mqtt.client as paho
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.common import Figure, arguments, free_port, fsync_ms, listens, machine, report, wait_for, workspace
from lastseen.ingest.mqtt import MqttSource
from lastseen.ingest.mqtt.link import Broker, Link
from lastseen.log_output import configure_logs
from lastseen.monitor.heartbeat import HeartbeatMonitor

CONFIG = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
max_inflight_messages 0
user root
"""


def mosquitto(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    port = free_port()
    (folder / "mosquitto.conf").write_text(CONFIG.format(port=port))
    process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    wait_for(lambda: listens(port), process)
    return process, port


async def subscribe(port: int, client: str) -> None:
    """Leave a session behind, so that the broker keeps what is published."""
    link = Link(Broker("127.0.0.1", port, client), lambda _: None)
    await link.open()
    await link.subscribe([("devices/+/heartbeat", False)])
    await link.close()


def fill(port: int, machines: int, each: int) -> None:
    """Every machine in turn, as many times: as fleets report."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = [
        client.publish(f"devices/m{n}/heartbeat", b'{"uptime_seconds": 5}', qos=1)
        for _ in range(each)
        for n in range(machines)
    ]
    for one in sent:
        one.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


async def bare(port: int, count: int) -> float:
    done, began, got = anyio.Event(), time.perf_counter(), 0

    def on_message(message: MQTTMessage) -> None:
        nonlocal got
        link.ack(message.mid)
        got += 1
        if got >= count:
            done.set()

    link = Link(Broker("127.0.0.1", port, "bare"), on_message)
    await link.open()
    with anyio.fail_after(120):
        await done.wait()
    rate = count / (time.perf_counter() - began)
    await link.close()
    return rate


async def ours(port: int, count: int, path: Path) -> float:
    source = MqttSource(f"mqtt://127.0.0.1:{port}", presets=["devices"], auto_add=True, client_id="ours")
    acked, done, ack = 0, anyio.Event(), Link.ack

    def counted(self: Link, mid: int) -> None:
        nonlocal acked
        ack(self, mid)
        acked += 1
        if acked >= count:
            done.set()

    Link.ack = counted  # type: ignore[method-assign]
    try:
        began = time.perf_counter()
        async with HeartbeatMonitor(f"sqlite:///{path}", sources=[source]):
            with anyio.fail_after(120):
                await done.wait()
            return count / (time.perf_counter() - began)
    finally:
        Link.ack = ack  # type: ignore[method-assign]


def main() -> None:
    configure_logs(level="ERROR")
    short = arguments().short
    machines, each, rounds = (10, 20, 1) if short else (200, 200, 5)
    count, mine, base = machines * each, [], []
    with workspace() as folder:
        print(f"{machine()}; fdatasync {fsync_ms(folder):.2f} ms; {count:,} messages of {machines} machines")
        process, port = mosquitto(folder)
        try:
            wait_for(lambda: process.poll() is None, process)
            path = folder / "lastseen.db"
            for number in range(rounds + 1):  # the first makes the machines, and does not count
                for client in ("ours", "bare"):
                    anyio.run(subscribe, port, client)
                fill(port, machines, each)
                rates = anyio.run(ours, port, count, path), anyio.run(bare, port, count)
                if number:
                    mine.append(rates[0])
                    base.append(rates[1])
        finally:
            process.terminate()
            process.wait(10)
    report([Figure("draining MQTT at QoS 1, stored", "/s", mine, base, "acknowledged at once", ">= 10,000/s")])


if __name__ == "__main__":
    main()
