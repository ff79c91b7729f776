"""Machines that report over MQTT."""

from lastseen.ingest.mqtt.bindings import PRESETS, Binding, Mode, Words
from lastseen.ingest.mqtt.source import MqttSource

__all__ = ["PRESETS", "Binding", "Mode", "MqttSource", "Words"]
