"""What the computer says about itself. Every number is read on its own: one that cannot be read is left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

from lastseen.log import get_logger

log = get_logger()


class Numbers:
    """Reads the numbers of this computer; without psutil there are none, and the heartbeat still counts."""

    def __init__(self, disk: str = os.sep) -> None:
        self._disk = disk
        self._psutil = _psutil()

    def report(self, wall: datetime) -> dict[str, Any]:
        """A heartbeat's body: contracts' `timestamp`, `uptime_seconds`, `free_memory` (bytes) and `metrics`."""
        body: dict[str, Any] = {"timestamp": wall.isoformat(timespec="seconds").replace("+00:00", "Z")}
        if self._psutil is None:
            return body
        ps = self._psutil
        _put(body, "uptime_seconds", lambda: max(0, int(wall.timestamp() - ps.boot_time())))
        _put(body, "free_memory", lambda: int(ps.virtual_memory().available))
        metrics: dict[str, float] = {}
        # Without an interval: the share since the last call, so that reading costs no waiting.
        _put(metrics, "cpu_pct", lambda: float(ps.cpu_percent(interval=None)))
        _put(metrics, "load_1m", lambda: round(ps.getloadavg()[0], 2))
        _put(metrics, "mem_used_pct", lambda: float(ps.virtual_memory().percent))
        _put(metrics, "swap_used_pct", lambda: float(ps.swap_memory().percent))
        _put(metrics, "disk_used_pct", lambda: float(ps.disk_usage(self._disk).percent))
        _put(metrics, "processes", lambda: len(ps.pids()))
        if metrics:
            body["metrics"] = metrics
        return body


def _put(into: dict[str, Any], name: str, read: Callable[[], float]) -> None:
    try:
        value = read()
    except Exception as error:  # noqa: BLE001 - psutil raises what the platform raises: one number less, no more
        log.debug("agent_number_missing", number=name, error=f"{type(error).__name__}: {error}")
        return
    if value == value and abs(value) != float("inf"):  # JSON has neither NaN nor infinity
        into[name] = value


def _psutil() -> Any:
    try:
        import psutil
    except ImportError:
        log.warning("agent_without_numbers", hint="pip install lastseen[agent]")
        return None
    try:
        psutil.cpu_percent(interval=None)  # the first call has nothing to compare with and answers 0
    except Exception as error:  # noqa: BLE001 - as in _put
        log.debug("agent_number_missing", number="cpu_pct", error=f"{type(error).__name__}: {error}")
    return psutil
