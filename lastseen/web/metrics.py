"""`/metrics`: what the process has counted, and how its store stands, as Prometheus reads it.

A scrape copies the counts, asks the store once (bounded statements on a reader's thread, and at most every `FRESH`
seconds however many ask), and renders in a thread of its own: heartbeats go on meanwhile.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import anyio
from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from lastseen import counters
from lastseen.errors import LastseenError
from lastseen.ingest.asgi import Refused
from lastseen.model.insight import Gauges
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.problems import Problem
from lastseen.protocols import Insight
from lastseen.web.auth import FindKey, holder_of
from lastseen.words import say

PATH = "/metrics"

FRESH = 2.0
"""Seconds for which the store's answer is used again."""

PATIENCE = 2.0
"""Seconds that the store may take; after them the page says that it did not answer, and has the counts alone."""

GAUGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "lastseen_machines": ("Machines by status.", ("status",)),
    "lastseen_channels": ("Channels by how they fare: ok, failing, disabled.", ("state",)),
    "lastseen_outbox_notifications": ("Notifications that are not told yet, counted up to 100,000.", ("state",)),
    "lastseen_outbox_oldest_seconds": ("Age of the oldest notification that is not told yet; 0 without one.", ()),
    "lastseen_outbox_overdue_seconds": ("How long the first of them should have been sent; 0 when none is.", ()),
    "lastseen_outbox_dead_notifications": ("Notifications given up within the last day.", ()),
    "lastseen_source_blind": ("1 while a source cannot hear anybody.", ("source",)),
    "lastseen_database_bytes": ("Size of the database's files.", ("file",)),
    "lastseen_recorder_waiting_heartbeats": ("Heartbeats received and not stored yet.", ()),
    "lastseen_stream_followers": ("Who follows the stream now.", ()),
    "lastseen_monitor_running": ("1 while the monitor watches.", ()),
    "lastseen_store_up": ("1 when the store answered this scrape.", ()),
    "lastseen_clock_ahead_seconds": ("How far the store's time is ahead of a wall clock that was put back.", ()),
}
"""What is asked for at a scrape: name, meaning, labels."""

STATUSES = ("provisioning", "online", "offline", "error", "paused")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")

Readings = dict[str, dict[tuple[str, ...], float]]


class Metrics:
    """The page of one monitor."""

    def __init__(self, monitor: HeartbeatMonitor, version: str) -> None:
        self._monitor, self._version = monitor, version
        self._process = ProcessCollector(registry=None)
        self._reading = anyio.Lock()
        self._read_at = float("-inf")
        self._gauges: Gauges | None = None

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its media type: OpenMetrics for who asks for it, else Prometheus' text."""
        readings = self._readings(await self._ask())
        encoder, media_type = choose_encoder(accept)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._process)
        registry.register(_Counted())
        registry.register(_Read(readings, self._version))
        page: bytes = await anyio.to_thread.run_sync(encoder, registry)
        return page, media_type

    async def _ask(self) -> Gauges | None:
        """None: the store does not answer, or knows nothing of this."""
        store, clock = self._monitor.store, self._monitor.clock
        if not isinstance(store, Insight):
            return None
        async with self._reading:
            if clock.monotonic() - self._read_at >= FRESH:
                self._gauges = None
                try:
                    with anyio.fail_after(PATIENCE):
                        self._gauges = await store.gauges(clock.now())
                except (TimeoutError, LastseenError):
                    pass  # the page says so: lastseen_store_up
                self._read_at = clock.monotonic()
            return self._gauges

    def _readings(self, gauges: Gauges | None) -> Readings:
        clock = self._monitor.clock
        now = clock.now()
        ahead = max(0.0, (now - clock.wall()).total_seconds())
        follows = counters.FOLLOWS.values()
        return {
            **(_store_readings(gauges, now) if gauges is not None else {}),
            "lastseen_recorder_waiting_heartbeats": {(): self._monitor.waiting},
            "lastseen_stream_followers": {(): follows[("began",)] - follows[("ended",)]},
            "lastseen_monitor_running": {(): self._monitor.running},
            "lastseen_store_up": {(): gauges is not None},
            "lastseen_clock_ahead_seconds": {(): ahead},
        }


def _store_readings(gauges: Gauges, now: datetime) -> Readings:
    def known(found: Mapping[str, int], names: Iterable[str]) -> dict[tuple[str, ...], float]:
        return {(name,): count for name, count in {**dict.fromkeys(names, 0), **found}.items()}

    def since(moment: datetime | None) -> dict[tuple[str, ...], float]:
        return {(): 0.0 if moment is None else max(0.0, (now - moment).total_seconds())}

    return {
        "lastseen_machines": known(gauges.machines, STATUSES),
        "lastseen_channels": known(gauges.channels, ("ok", "failing", "disabled")),
        "lastseen_outbox_notifications": known(gauges.outbox, ("pending", "sending")),
        "lastseen_outbox_oldest_seconds": since(gauges.oldest),
        "lastseen_outbox_overdue_seconds": since(gauges.due),
        "lastseen_outbox_dead_notifications": {(): gauges.dead},
        "lastseen_source_blind": {(name,): blind for name, blind in gauges.blind.items()},
        "lastseen_database_bytes": known(gauges.sizes, ()),
    }


class _Counted(Collector):
    """Everything in `lastseen.counters`, as it is now."""

    def collect(self) -> Iterable[Metric]:
        for one in counters.ALL:
            yield _counter(one) if isinstance(one, counters.Counter) else _histogram(one)


def _counter(counter: counters.Counter) -> Metric:
    family = CounterMetricFamily(counter.name, counter.meaning, labels=counter.labels)
    for labels, value in sorted(counter.values().items()):
        family.add_metric(labels, value)
    return family


def _histogram(histogram: counters.Histogram) -> Metric:
    family = HistogramMetricFamily(histogram.name, histogram.meaning, labels=histogram.labels)
    bounds = [*map(floatToGoString, histogram.buckets), "+Inf"]
    for labels, spread in sorted(histogram.values().items()):
        total, buckets = 0, []
        for bound, count in zip(bounds, spread.counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(labels, buckets, spread.sum)
    return family


class _Read(Collector):
    """What was asked for at this scrape."""

    def __init__(self, readings: Readings, version: str) -> None:
        self._readings, self._version = readings, version

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("lastseen_build", "The version that runs.", {"version": self._version})
        for name, (meaning, labels) in GAUGES.items():
            if name in self._readings:
                family = GaugeMetricFamily(name, meaning, labels=labels)
                for values, reading in sorted(self._readings[name].items()):
                    family.add_metric(values, float(reading))
                yield family


# --- who may read it --------------------------------------------------------------------------------------------------


def metrics_routes(monitor: HeartbeatMonitor, find_key: FindKey, version: str, who: str) -> APIRouter:
    """`who`: "off" (there is no such page), "key" (an API key is wanted), "local" (or a request from this computer that
    no proxy has passed on), "public"."""
    router = APIRouter(tags=["health"])
    if who == "off":
        return router
    metrics = Metrics(monitor, version)

    @router.get(
        PATH,
        summary="What Prometheus reads",
        response_class=Response,
        responses={
            200: {
                "description": "Prometheus' text format, or OpenMetrics where it is asked for",
                "content": {"text/plain": {"schema": {"type": "string"}}, _OPENMETRICS: {"schema": {"type": "string"}}},
            },
            401: {"description": "an API key is wanted"},
            403: {"description": "the key is of another scope"},
        },
        openapi_extra={"security": [{"bearer": []}, {"apiKey": []}, {}]},
    )
    async def read(request: Request) -> Response:
        if who != "public" and not (who == "local" and _from_here(request)):
            holder = await holder_of(request, find_key, monitor.clock)
            if holder.scope != "api":
                raise Refused(Problem(403, say("this page is read with an lsa_ key: `lastseen keys add api`")))
        page, media_type = await metrics.page(request.headers.get("accept", ""))
        return Response(page, headers={"content-type": media_type, "cache-control": "no-store"})

    return router


_OPENMETRICS = "application/openmetrics-text"


def _from_here(request: Any) -> bool:
    """From a loopback address, not passed on by a proxy on this computer that says so, and without a key to check."""
    if request.client is None or any(name in request.headers for name in (*_FORWARDED, "authorization", "x-api-key")):
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback and _is_called_as_from_here(request)


def _is_called_as_from_here(request: Any) -> bool:
    """Not by a name that somebody else may have led here: a browser on this computer would read the page for theirs
    (DNS rebinding)."""
    name = (request.url.hostname or "").lower().rstrip(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(".localhost") or name == socket.gethostname().lower()
    return True
