"""LunaSentri's agent: `POST /agent/metrics`, with the machine's own key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from lastseen.errors import InvalidInput
from lastseen.ingest.asgi import Answer, Receive, Refused, Scope, answer, text_answer, whole_body
from lastseen.ingest.foreign.base import Reporting, passed_on
from lastseen.ingest.gate import Gate
from lastseen.ingest.http import Clocks
from lastseen.ingest.route import RawRoute
from lastseen.problems import Problem
from lastseen.report import MAX_BYTES, Report, beat_of, parse_report
from lastseen.words import plain

METRICS_PATH = "/agent/metrics"

_PERCENTAGES = ("cpu_pct", "mem_used_pct", "disk_used_pct")
_ACCEPTED = answer(202, [(b"content-length", b"0")])
_TOO_LARGE = Problem(413, f"metrics are at most {MAX_BYTES // 1024} KiB long")
_WRONG_METHOD = Problem(405, "Method not allowed", headers={"Allow": "POST"})
_UNREADABLE = Problem(400, "Invalid request body")
_json = msgspec.json.Encoder(enc_hook=plain)


class _SystemInfo(msgspec.Struct):
    hostname: str | None = None
    platform: str | None = None
    platform_version: str | None = None
    kernel_version: str | None = None
    cpu_cores: int | None = None
    memory_total_mb: int | None = None
    disk_total_gb: int | None = None
    last_boot_time: datetime | None = None


class _Metrics(msgspec.Struct):
    """What the original reads. The percentages are looked at one by one, for the words of the refusal."""

    cpu_pct: Any = None
    mem_used_pct: Any = None
    disk_used_pct: Any = None
    timestamp: datetime | None = None
    net_rx_bytes: int | None = None
    net_tx_bytes: int | None = None
    uptime_s: float | None = None
    system_info: _SystemInfo | None = None


_decode = msgspec.json.Decoder(_Metrics).decode


class MetricsRoute(RawRoute):
    """The ASGI application behind `METRICS_PATH`."""

    name = METRICS_PATH

    def __init__(self, monitor: Reporting, gate: Gate) -> None:
        super().__init__(monitor)
        self._monitor, self._gate = monitor, gate
        self._clocks = Clocks(monitor.clock)

    async def take(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            raise Refused(_WRONG_METHOD)
        headers = dict(scope["headers"])
        grant = await self._gate.admit(scope, headers, "machine")
        machine = grant.machine_id or 0
        report = read_metrics(await self.reading(whole_body(headers, receive, MAX_BYTES, _TOO_LARGE)))
        self._clocks.compare(machine, report)
        await self._monitor.record(beat_of(machine, self._monitor.clock.now(), report))
        return _ACCEPTED

    def refuse(self, problem: Problem) -> Answer:
        headers = passed_on(problem) | ({"Allow": "POST"} if problem.status == 405 else {})
        return text_answer(problem.status, "application/json", _json.encode({"error": problem.detail}), headers)


def read_metrics(raw: bytes) -> Report:
    """A plain heartbeat with numbers. Raises Refused (400) where the original does."""
    try:
        fields, report = _decode(raw), parse_report(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidInput):
        raise Refused(_UNREADABLE) from None
    for name in _PERCENTAGES:
        value = getattr(fields, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise Refused(Problem(400, f"{name} must be between 0 and 100"))
    return Report(body=report.body, said_at=report.said_at)
