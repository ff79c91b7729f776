"""Machines that report over MQTT. Needs paho-mqtt: the extra `mqtt`, and `server` too, bring it."""

from lastseen.errors import PluginError

try:
    import paho.mqtt.client  # noqa: F401
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "paho":
        raise
    raise PluginError("MQTT needs a package: install it with: pip install lastseen[mqtt]") from None

from lastseen.ingest.mqtt.bindings import PRESETS, Binding, Mode, Words
from lastseen.ingest.mqtt.source import MqttSource

__all__ = ["PRESETS", "Binding", "Mode", "MqttSource", "Words"]
