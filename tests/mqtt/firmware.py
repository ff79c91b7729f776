"""What devices send: when they are switched on, every now and then, and when they end well or badly.

Topics, payloads and intervals are those of the makers' documentation, which each class names. When a device is cut off,
its broker knows after one and a half times its keep-alive (MQTT 3.1.1, section 3.1.2.10).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from tests.mqtt.day import Client, Day


class Firmware:
    """A device with a connection of its own. Birth and will are kept by the broker, unless it says otherwise."""

    topic: str
    online, offline = "online", "offline"
    kept = True

    def __init__(self, day: Day, name: str) -> None:
        self.day, self.name = day, name
        self.availability = self.topic.format(name=name)
        self.client = Client(day.broker, f"device-{name}", (self.availability, self.offline, self.kept))
        self.runs = False

    async def boot(self) -> None:
        await asyncio.to_thread(self.client.connect)
        self.runs = True
        await self.birth()

    async def birth(self) -> None:
        await self.say(self.availability, self.online, self.kept)

    async def say(self, topic: str, payload: str, retain: bool = False) -> None:
        await self.day.say(self.client, topic, payload, retain)

    async def tick(self) -> None:
        """What it sends again and again, while it runs."""

    async def hang(self) -> None:
        """It says nothing any more; its connection stays, for now."""
        self.runs = False

    async def wake(self) -> None:
        self.runs = True

    async def cut(self) -> None:
        """The broker has noticed that it is gone."""
        self.runs = False
        await self.day.cut(self.client, self.availability, self.offline)

    async def take_over(self) -> None:
        """It connects again before the broker has noticed that it was gone: its old connection ends by that, and its
        will is spoken before its birth (MQTT 3.1.1, section 3.1.4)."""
        old, self.client = self.client, Client(self.day.broker, self.client.name, self.client.will)
        await self.day.cut(self.client, self.availability, self.offline, Client.connect)
        await asyncio.to_thread(old.quit)
        await self.birth()

    async def leave(self) -> None:
        """It ends by itself: it says so, as its will would."""
        self.runs = False
        await self.say(self.availability, self.offline, self.kept)
        await asyncio.to_thread(self.client.leave)

    async def quit(self) -> None:
        """It ends by itself, without a word."""
        self.runs = False
        await asyncio.to_thread(self.client.leave)

    async def forget(self) -> None:
        """The broker is told to keep nothing of it."""
        await self.say(self.availability, "", True)


class Tasmota(Firmware):
    """tasmota.github.io/docs/MQTT (LWT, TelePeriod of 300 s), /docs/DeepSleep, /docs/Commands (SetOption10, which
    clears the old LWT where a topic is changed). Its keep-alive is 30 s."""

    topic = "tele/{name}/LWT"
    online, offline = "Online", "Offline"

    async def birth(self) -> None:
        await super().birth()
        await self.tick()

    async def tick(self) -> None:
        if self.runs:
            await self.say(f"tele/{self.name}/STATE", '{"Time":"2026-03-01T00:00:00","Uptime":"0T00:05:00"}')

    async def sleep(self) -> None:
        """It says when it will wake, and switches its radio off: the connection is not closed."""
        self.runs = False
        said = {"DeepSleep": {"Time": "2026-03-01T13:00:00", "DeepSleep": 1772366400, "Wakeup": 1772370000}}
        await self.say(f"tele/{self.name}/DeepSleep", json.dumps(said), True)


class Esphome(Firmware):
    """esphome.io/components/mqtt: birth and will on `<topic_prefix>/status`, both retained, keep-alive 15 s; on a clean
    shutdown it publishes the will itself."""

    topic = "{name}/status"

    async def tick(self) -> None:
        if self.runs:
            await self.say(f"{self.name}/sensor/temperature/state", "21.5", True)


class ShellyOne(Firmware):
    """shelly-api-docs.shelly.cloud/gen1, "MQTT support": `shellies/<model>-<id>/online`."""

    topic = "shellies/{name}/online"
    online, offline = "true", "false"

    async def tick(self) -> None:
        if self.runs:
            await self.say(f"shellies/{self.name}/relay/0", "on")


class ShellyTwo(ShellyOne):
    """shelly-api-docs.shelly.cloud/gen2, "Mqtt": `<topic_prefix>/online`; the prefix is the device's id."""

    topic = "{name}/online"

    async def tick(self) -> None:
        if self.runs:
            await self.say(f"{self.name}/events/rpc", '{"method":"NotifyStatus","params":{}}')


class Homie(Firmware):
    """homieiot.github.io, convention 5, "Device lifecycle": `$state` is retained; `lost` is the will, `disconnected`
    is said before it goes, `sleeping` before it sleeps, and a device is removed by clearing its `$state`."""

    topic = "homie/5/{name}/$state"
    online, offline = "ready", "lost"

    async def birth(self) -> None:
        await self.state("init")
        await self.say(f"homie/5/{self.name}/$description", '{"homie":"5.0","version":1}', True)
        await self.state("ready")

    async def state(self, word: str) -> None:
        await self.say(self.availability, word, True)

    async def sleep(self) -> None:
        self.runs = False
        await self.state("sleeping")
        await asyncio.to_thread(self.client.leave)

    async def leave(self) -> None:
        self.runs = False
        await self.state("disconnected")
        await asyncio.to_thread(self.client.leave)

    async def tick(self) -> None:
        if self.runs:
            await self.say(f"homie/5/{self.name}/meter/power", "230", True)


class Gateway(Firmware):
    """docs.openmqttgateway.com, "Gateway": `home/<name>/LWT` is retained, `SYStoMQTT` comes every two minutes. What it
    hears of others is below its own topic: those are no machines."""

    topic = "home/{name}/LWT"

    async def tick(self) -> None:
        if self.runs:
            await self.say(f"home/{self.name}/SYStoMQTT", '{"uptime":60405,"version":"v1.7.0"}')
            await self.say(f"home/{self.name}/BTtoMQTT/AABBCCDDEEFF", '{"id":"AA:BB:CC:DD:EE:FF","rssi":-60}')


class HomeAssistant(Firmware):
    """home-assistant.io/integrations/mqtt, "Birth and last will messages": `homeassistant/status`, not retained."""

    topic = "{name}/status"
    kept = False


class Thing(Firmware):
    """Anything with an `availability_topic` as Home Assistant's MQTT integrations have it, the payloads of its
    defaults (home-assistant.io/integrations/mqtt, "Availability")."""

    topic = "house/{name}/availability"


class Tank(Firmware):
    """Availability by last will, and a state that the broker keeps, every minute."""

    topic = "aquabook/{name}/availability"

    async def tick(self) -> None:
        if self.runs:
            await self.say(f"aquabook/{self.name}/state", '{"temperature":24.5,"ph":7.1}', True)


class Reporter(Firmware):
    """A program of one's own: JSON as in an HTTP heartbeat, and no last will."""

    topic = "devices/{name}/heartbeat"

    async def birth(self) -> None:
        await self.report()

    async def report(self, **said: object) -> None:
        await self.say(self.availability, json.dumps({"uptime_seconds": 5, **said}))

    async def tick(self) -> None:
        if self.runs:
            await self.report()


class Zigbee(Firmware):
    """zigbee2mqtt.io/guide/configuration/device-availability and /guide/usage/mqtt_topics_and_messages: the bridge has
    the connection, and says of each device, retained, whether it is there, when that changes. Groups have the same
    topics and are in no list of devices."""

    topic = "zigbee2mqtt/bridge/state"
    online, offline = '{"state":"online"}', '{"state":"offline"}'

    def __init__(self, day: Day, devices: Mapping[str, bool], groups: Mapping[str, bool]) -> None:
        super().__init__(day, "zigbee2mqtt")
        self.devices, self.groups = dict(devices), dict(groups)

    async def birth(self) -> None:
        await super().birth()
        await self.list_devices()
        for name, there in {**self.devices, **self.groups}.items():
            await self.presence(name, there)

    async def list_devices(self) -> None:
        listed = [{"friendly_name": "Coordinator", "type": "Coordinator"}]
        listed += [{"friendly_name": name, "type": "Router"} for name in self.devices]
        await self.say("zigbee2mqtt/bridge/devices", json.dumps(listed), True)

    async def presence(self, name: str, there: bool) -> None:
        await self.say(f"zigbee2mqtt/{name}/availability", self.online if there else self.offline, True)

    async def change(self, name: str, there: bool) -> None:
        self.devices[name] = there
        await self.presence(name, there)

    async def rename(self, old: str, new: str) -> None:
        self.devices[new] = self.devices.pop(old)
        await self.say(f"zigbee2mqtt/{old}/availability", "", True)
        await self.list_devices()
        await self.presence(new, self.devices[new])

    async def remove(self, name: str) -> None:
        del self.devices[name]
        await self.list_devices()
        await self.say(f"zigbee2mqtt/{name}/availability", "", True)

    async def join(self, name: str) -> None:
        """It is there before it is listed."""
        await self.presence(name, True)
        self.devices[name] = True
        await self.list_devices()

    async def tick(self) -> None:
        """States say nothing of presence."""
        if self.runs:
            for name, there in self.devices.items():
                if there:
                    await self.say(f"zigbee2mqtt/{name}", '{"linkquality":120,"state":"ON"}')
