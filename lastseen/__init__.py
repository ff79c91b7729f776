"""lastseen: knows that a machine has gone silent, and tells people once.

Everything in `__all__` is public. Names are imported when they are first used, so that `import lastseen` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lastseen.durations import NEVER
    from lastseen.errors import InvalidInput, LastseenError, StoreUnavailable, UnknownMachine
    from lastseen.ingest.mqtt.source import MqttSource
    from lastseen.model import (
        Channel,
        Delivered,
        Event,
        Machine,
        Message,
        Outcome,
        Rejected,
        Retry,
        Scope,
        Status,
    )
    from lastseen.monitor.heartbeat import HeartbeatMonitor
    from lastseen.monitor.status import MachineStatus
    from lastseen.notifiers.console import Console
    from lastseen.notifiers.outcome import http_outcome
    from lastseen.notifiers.telegram import Telegram
    from lastseen.notifiers.webhook import Webhook
    from lastseen.protocols import Notifier, Store
    from lastseen.storage import open_store
    from lastseen.testing.clock import FakeClock
    from lastseen.testing.recording import RecordingNotifier

_HOMES = {
    "Channel": "lastseen.model",
    "Console": "lastseen.notifiers.console",
    "Delivered": "lastseen.model",
    "Event": "lastseen.model",
    "FakeClock": "lastseen.testing.clock",
    "HeartbeatMonitor": "lastseen.monitor.heartbeat",
    "InvalidInput": "lastseen.errors",
    "LastseenError": "lastseen.errors",
    "Machine": "lastseen.model",
    "MachineStatus": "lastseen.monitor.status",
    "Message": "lastseen.model",
    "MqttSource": "lastseen.ingest.mqtt.source",
    "NEVER": "lastseen.durations",
    "Notifier": "lastseen.protocols",
    "Outcome": "lastseen.model",
    "RecordingNotifier": "lastseen.testing.recording",
    "Rejected": "lastseen.model",
    "Retry": "lastseen.model",
    "Scope": "lastseen.model",
    "Status": "lastseen.model",
    "Store": "lastseen.protocols",
    "StoreUnavailable": "lastseen.errors",
    "Telegram": "lastseen.notifiers.telegram",
    "UnknownMachine": "lastseen.errors",
    "Webhook": "lastseen.notifiers.webhook",
    "http_outcome": "lastseen.notifiers.outcome",
    "open_store": "lastseen.storage",
}

__all__ = [
    "NEVER",
    "Channel",
    "Console",
    "Delivered",
    "Event",
    "FakeClock",
    "HeartbeatMonitor",
    "InvalidInput",
    "LastseenError",
    "Machine",
    "MachineStatus",
    "Message",
    "MqttSource",
    "Notifier",
    "Outcome",
    "RecordingNotifier",
    "Rejected",
    "Retry",
    "Scope",
    "Status",
    "Store",
    "StoreUnavailable",
    "Telegram",
    "UnknownMachine",
    "Webhook",
    "http_outcome",
    "open_store",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'lastseen' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
