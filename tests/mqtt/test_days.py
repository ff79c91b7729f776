"""A day of each kind of device, through a real broker: what they did is a table, and so are the outages that must be
found. Those, and no others.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lastseen.ingest.mqtt import Binding, Mode, Words
from tests.mqtt.broker import Mosquitto
from tests.mqtt.day import Day, Outage, a_day
from tests.mqtt.firmware import (
    Esphome,
    Gateway,
    HomeAssistant,
    Homie,
    Reporter,
    ShellyOne,
    ShellyTwo,
    Tank,
    Tasmota,
    Thing,
    Zigbee,
)

ADay = Callable[..., AbstractAsyncContextManager[Day]]


@pytest.fixture
def of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ADay]:
    """`of("tasmota")`: a day of a source with this preset. Its broker does not wait for more to send, or a day of small
    messages would take minutes."""
    broker = Mosquitto(tmp_path, ("allow_anonymous true", "set_tcp_nodelay true"))
    broker.start()

    @asynccontextmanager
    async def of(preset: str, **options: Any) -> AsyncIterator[Day]:
        async with a_day(broker, tmp_path, {"presets": [preset], **options}, monkeypatch) as day:
            yield day

    yield of
    broker.stop()


def told(truth: dict[str, list[Outage]]) -> list[str]:
    """What people are told of these outages, in the order in which they are found and end."""
    words = [(one.found, f"machine.offline {slug}") for slug, all_ in truth.items() for one in all_]
    words += [(one.back, f"machine.online {slug}") for slug, all_ in truth.items() for one in all_ if one.back]
    return [word for _, word in sorted(words)]


async def test_tasmota(of: ADay) -> None:
    """Power cuts, a restart, one that hangs, one that sleeps deeply, and one that is given another topic."""
    async with of("tasmota") as day:
        attic, shed, plug, heater, sleeper, lamp, hall = (
            Tasmota(day, name) for name in ("attic", "shed", "plug", "heater", "sleeper", "lamp", "hall-lamp")
        )
        for device in (attic, shed, plug, heater, lamp):
            await device.boot()
        await shed.cut()  # it has been gone since yesterday
        await day.start()
        plan = [
            ("03:00", plug.hang), ("03:00:45", plug.cut), ("03:30", plug.boot),
            ("06:01", heater.hang), ("06:58", heater.wake),
            ("09:00:02", attic.cut), ("09:00:09", attic.boot),
            ("12:00", sleeper.boot), ("12:00:10", sleeper.sleep), ("12:00:55", sleeper.cut),
            ("13:00", sleeper.boot), ("13:00:10", sleeper.sleep), ("13:00:55", sleeper.cut), ("14:00", sleeper.boot),
            ("15:01", lamp.forget), ("15:01:01", lamp.quit), ("15:01:12", hall.boot),
        ]  # fmt: skip
        devices = (attic, shed, plug, heater, sleeper, lamp, hall)
        await day.run(plan, [("00:05", device.tick) for device in devices], "18:00")
        truth = {
            "plug": [Outage("02:55:00", "03:00:55", "03:30:00", "goodbye")],
            "heater": [Outage("06:00:00", "06:11:00", "07:00:00", "silent")],
            "sleeper": [
                Outage("12:00:00", "12:01:05", "13:00:00", "goodbye"),
                Outage("13:00:00", "13:01:05", "14:00:00", "goodbye"),
            ],
            "lamp": [Outage("15:00:00", "15:11:00", None, "silent")],
        }
        assert day.outages() == truth
        assert day.words() == told(truth)
        assert await day.status("shed") == "provisioning"
        assert await day.status("hall-lamp") == "online"


async def test_those_that_sleep_for_an_hour_and_have_a_grace_of_their_own(of: ADay) -> None:
    """Two sleep deeply; one of them does not wake. A third is awake, and cut off for less than its grace."""
    async with of("tasmota", goodbye_grace="70m", offline_after="2h") as day:
        sleeper, tired, awake = (Tasmota(day, name) for name in ("sleeper", "tired", "awake"))
        await awake.boot()
        await day.start()
        plan = []
        for hour in range(1, 8):
            for device in (sleeper, tired)[: 1 if hour > 3 else 2]:
                at = f"{hour:02}:00"
                plan += [(at, device.boot), (f"{at}:10", device.sleep), (f"{at}:55", device.cut)]
        plan += [("05:10", awake.cut), ("06:00", awake.boot)]
        await day.run(plan, [("00:05", device.tick) for device in (sleeper, tired, awake)], "08:00")
        assert day.outages() == {"tired": [Outage("03:00:00", "04:10:55", None, "goodbye")]}
        assert day.words() == ["machine.offline tired"]


async def test_aquabook(of: ADay) -> None:
    """Whichever comes first: a last will, or five minutes without a state. What is kept of a state is no heartbeat."""
    async with of("aquabook") as day:
        reef, pond, old, dry = (Tank(day, name) for name in ("reef", "pond", "old", "dry"))
        for tank in (reef, pond, dry, old):
            await tank.boot()
            await tank.tick()
        await old.cut()
        await dry.forget()
        await dry.quit()  # its state is still kept
        await day.start()
        plan = [
            ("01:00:30", reef.cut), ("01:20:30", reef.boot),
            ("02:00:30", pond.hang), ("02:30:30", pond.wake),
            ("03:00:30", pond.hang), ("03:02:30", pond.cut), ("03:02:36", pond.boot),
            ("04:00:30", reef.cut), ("04:00:37", reef.boot), ("05:00:30", reef.take_over),
        ]  # fmt: skip
        await day.run(plan, [("00:01", tank.tick) for tank in (reef, pond, old, dry)], "06:00")
        truth = {
            "reef": [Outage("01:00:00", "01:00:40", "01:20:30", "goodbye")],
            "pond": [Outage("02:00:00", "02:05:00", "02:31:00", "silent")],
        }
        assert day.outages() == truth
        assert day.words() == told(truth)
        assert await day.status("old") == "provisioning"
        assert await day.unknown("dry")


async def test_devices(of: ADay) -> None:
    """Heartbeats alone: silence, a fault and its end, a goodbye, a long pause that was announced, and messages that
    came while we were away."""
    async with of("devices") as day:
        mill, saw, press, lift = (Reporter(day, name) for name in ("mill", "saw", "press", "lift"))
        for one in (mill, saw, press, lift):
            await one.boot()
        await day.start()
        plan = [
            ("01:00:30", mill.hang), ("01:30:30", mill.wake),
            ("02:00:30", functools.partial(saw.report, status="error", message="blade")),
            ("02:10:30", functools.partial(saw.report, status="ok")),
            ("03:00:30", functools.partial(press.report, status="offline")), ("03:00:30", press.hang),
            ("03:20:30", press.wake),
            ("04:00:30", functools.partial(lift.report, next_in=3600)), ("04:00:31", lift.hang),
            ("05:00:20", lift.wake),
            ("05:30:30", day.stop), ("05:34:30", day.start),
        ]  # fmt: skip
        await day.run(plan, [("00:01", one.tick) for one in (mill, saw, press, lift)], "06:00")
        truth = {
            "mill": [Outage("01:00:00", "01:03:00", "01:31:00", "silent")],
            "press": [Outage("03:00:00", "03:00:40", "03:21:00", "goodbye")],
        }
        assert day.outages() == truth
        at_fault = ["machine.error saw", "machine.online saw"]
        assert [word for word in day.words() if word not in at_fault] == told(truth)
        assert [word for word in day.words() if word in at_fault] == at_fault


async def test_zigbee2mqtt(of: ADay) -> None:
    """A lamp without power, a bridge that is updated, one that is away for hours and comes back not knowing who is
    there, our own restart, and devices that are renamed, removed and new."""
    async with of("zigbee2mqtt") as day:
        lamps = {"lamp": True, "hall/plug": True, "sensor": True, "dead": False}
        bridge = Zigbee(day, lamps, groups={"all lamps": True})
        await bridge.boot()
        await day.start()

        def now(name: str, there: bool) -> Callable[[], Any]:
            return functools.partial(bridge.change, name, there)

        def back_without(*away: str) -> Callable[[], Any]:
            async def boot() -> None:
                bridge.devices.update(dict.fromkeys(away, False))
                await bridge.boot()

            return boot

        plan = [
            ("02:10:05", now("lamp", False)), ("04:00", now("lamp", True)),
            ("05:00", bridge.leave), ("05:00:40", bridge.boot),
            ("08:00", bridge.cut), ("10:00", back_without("lamp", "hall/plug")),
            ("10:00:06", now("lamp", True)), ("10:01:20", now("hall/plug", True)),
            ("11:00", bridge.cut), ("12:00", back_without("lamp", "hall/plug")), ("12:00:06", now("lamp", True)),
            ("13:00", now("hall/plug", True)),
            ("14:00", day.stop), ("14:02", now("lamp", False)), ("14:04", day.start), ("15:00", now("lamp", True)),
            ("16:00", functools.partial(bridge.rename, "lamp", "hall/lamp")),
            ("17:00", functools.partial(bridge.remove, "sensor")),
            ("18:00", functools.partial(bridge.join, "button")), ("19:00", now("button", False)),
            ("20:00", now("hall/lamp", False)), ("20:00:05", now("hall/lamp", True)),
            ("21:00", now("hall/lamp", False)), ("22:00", now("hall/lamp", True)),
        ]  # fmt: skip
        await day.run(plan, [("00:10", bridge.tick)], "23:00")
        truth = {
            "lamp": [
                Outage("02:10:05", "02:10:15", "04:00:00", "goodbye"),
                Outage("14:04:00", "14:04:10", "15:00:00", "goodbye"),
            ],
            "hall-plug": [Outage("12:00:00", "12:04:00", "13:00:00", "goodbye")],
            "button": [Outage("19:00:00", "19:00:10", None, "goodbye")],
            "hall-lamp": [Outage("21:00:00", "21:00:10", "22:00:00", "goodbye")],
        }
        assert day.outages() == truth
        of_the_bridge = [word for word in day.words() if word.startswith("source.")]
        assert of_the_bridge == ["source.blind 2", "source.restored 2"] * 2
        assert [word for word in day.words() if word not in of_the_bridge] == told(truth)
        assert await day.status("dead") == "provisioning"
        assert await day.unknown("all-lamps", "Coordinator")


async def test_esphome(of: ADay) -> None:
    """A power cut, updates that take shorter and longer than the grace, one that sleeps and says nothing of itself
    (its configuration has no birth and will then), and one that was forgotten."""
    async with of("esphome") as day:
        garage, kitchen, porch, cellar, old = (
            Esphome(day, name) for name in ("garage", "kitchen", "porch", "cellar", "old")
        )
        for node in (garage, kitchen, porch, old):
            await node.boot()
        await old.cut()
        await day.start()
        plan = [
            ("03:00", garage.hang), ("03:00:22", garage.cut), ("03:20", garage.boot),
            ("04:00", kitchen.leave), ("04:00:08", kitchen.boot),
            ("05:00", porch.leave), ("05:00:25", porch.boot),
            ("05:30", porch.take_over),
            ("06:00", cellar.boot), ("06:00:30", cellar.quit), ("07:00", cellar.boot), ("07:00:30", cellar.quit),
            ("08:00", kitchen.forget), ("08:00:01", kitchen.quit),
        ]  # fmt: skip
        await day.run(plan, [("00:01", node.tick) for node in (garage, kitchen, porch, cellar)], "12:00")
        truth = {
            "garage": [Outage("03:00:22", "03:00:32", "03:20:00", "goodbye")],
            "porch": [Outage("05:00:00", "05:00:10", "05:00:25", "goodbye")],
        }
        assert day.outages() == truth
        assert day.words() == told(truth)
        assert [await day.status(name) for name in ("old", "kitchen")] == ["provisioning", "online"]


async def test_shelly(of: ADay) -> None:
    """Both generations: a power cut, a restart, and one that the broker does not know any more."""
    async with of("shelly") as day:
        boiler, pump = ShellyOne(day, "shelly1-98F4AB"), ShellyOne(day, "shelly1-77AA01")
        door, light = ShellyTwo(day, "shellyplus1-a8032a"), ShellyTwo(day, "shellyplus2pm-ffee01")
        for device in (boiler, pump, door):
            await device.boot()
        await pump.cut()
        await day.start()
        plan = [
            ("01:00", light.boot),
            ("03:01:30", boiler.cut), ("04:00", boiler.boot),
            ("05:00", door.cut), ("05:00:09", door.boot),
            ("06:01:30", light.cut),
            ("07:00", pump.boot), ("08:00", pump.cut), ("09:00", pump.boot),
            ("10:00", door.forget), ("10:00:01", door.quit),
        ]  # fmt: skip
        await day.run(plan, [("00:02", device.tick) for device in (boiler, pump, door, light)], "12:00")
        truth = {
            "shelly1-98F4AB": [Outage("03:01:30", "03:01:40", "04:00:00", "goodbye")],
            "shellyplus2pm-ffee01": [Outage("06:01:30", "06:01:40", None, "goodbye")],
            "shelly1-77AA01": [Outage("08:00:00", "08:00:10", "09:00:00", "goodbye")],
        }
        assert day.outages() == truth
        assert day.words() == told(truth)


async def test_homie(of: ADay) -> None:
    """One is lost, one says that it goes, one sleeps for hours and wakes, one says that something is wrong with it,
    and one is removed."""
    async with of("homie") as day:
        meter, pump, weather, oven, gone = (
            Homie(day, name) for name in ("meter", "pump", "weather", "oven", "gone-since-yesterday")
        )
        for device in (meter, pump, weather, oven, gone):
            await device.boot()
        await gone.leave()
        await day.start()
        plan = [
            ("01:30", meter.cut), ("02:00", meter.boot),
            ("03:00", pump.leave), ("03:00:05", pump.boot), ("04:00", pump.leave), ("06:00", pump.boot),
            ("05:00", weather.sleep), ("09:00", weather.boot), ("09:01", weather.sleep),
            ("07:00", functools.partial(oven.state, "alert")), ("08:00", functools.partial(oven.state, "ready")),
            ("10:00", oven.forget), ("10:00:01", oven.quit),
        ]  # fmt: skip
        await day.run(plan, [("00:01", device.tick) for device in (meter, pump, weather, oven)], "12:00")
        truth = {
            "meter": [Outage("01:30:00", "01:30:10", "02:00:00", "goodbye")],
            "pump": [Outage("04:00:00", "04:00:10", "06:00:00", "goodbye")],
        }
        assert day.outages() == truth
        assert day.words() == told(truth)
        assert await day.status("weather") == "online", "who sleeps is not gone"
        assert await day.status("gone-since-yesterday") == "provisioning"


async def test_openmqttgateway(of: ADay) -> None:
    """A gateway that loses its network, one that is restarted by command, and what they hear of others."""
    async with of("openmqttgateway") as day:
        roof, cellar = Gateway(day, "OMG_roof"), Gateway(day, "OMG_cellar")
        for gateway in (roof, cellar):
            await gateway.boot()
        await day.start()
        plan = [
            ("02:00:22", roof.cut), ("02:45", roof.boot),
            ("04:00", cellar.cut), ("04:00:06", cellar.boot),
            ("06:00", day.stop), ("06:01", cellar.cut), ("06:02", cellar.boot), ("06:04", day.start),
        ]  # fmt: skip
        await day.run(plan, [("00:02", gateway.tick) for gateway in (roof, cellar)], "12:00")
        truth = {"OMG_roof": [Outage("02:00:22", "02:00:32", "02:45:00", "goodbye")]}
        assert day.outages() == truth
        assert day.words() == told(truth)
        assert await day.unknown("AABBCCDDEEFF", "BTtoMQTT")


async def test_home_assistant(of: ADay) -> None:
    """Availability topics of several things, words of one's own, and Home Assistant's own birth and will, which no
    broker keeps: it is known from its first word on."""
    words = Words(frozenset({"up"}), frozenset({"down"}))
    bindings = [
        "house/{machine+}/availability",
        "{machine}/status",
        Binding("heat/{machine}/alive", Mode.PRESENCE, "presence", words),
    ]
    async with of("homeassistant", bindings=bindings) as day:
        lamp, fan, pump = Thing(day, "attic/lamp"), Thing(day, "fan"), Heat(day, "pump")
        assistant = HomeAssistant(day, "homeassistant")
        for device in (lamp, fan, pump, assistant):
            await device.boot()
        await day.start()
        assert await day.unknown("homeassistant"), "nothing is kept of it"
        plan = [
            ("01:00", lamp.cut), ("02:00", lamp.boot),
            ("03:00", pump.leave), ("03:00:30", pump.boot),
            ("04:00", assistant.leave), ("04:00:50", assistant.boot),
            ("05:00", assistant.leave), ("05:00:50", assistant.boot),
            ("06:00", fan.forget), ("06:00:01", fan.quit),
        ]  # fmt: skip
        await day.run(plan, (), "12:00")
        truth = {
            "attic-lamp": [Outage("01:00:00", "01:00:10", "02:00:00", "goodbye")],
            "pump": [Outage("03:00:00", "03:00:10", "03:00:30", "goodbye")],
            "homeassistant": [Outage("05:00:00", "05:00:10", "05:00:50", "goodbye")],
        }
        assert day.outages() == truth
        assert day.words() == told(truth)
        assert await day.status("fan") == "online"


class Heat(Thing):
    topic = "heat/{name}/alive"
    online, offline = "up", "down"
