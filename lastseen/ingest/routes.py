"""Which route a path belongs to, beside the hot path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lastseen.ingest.asgi import Receive, Scope, Send
from lastseen.ingest.bulk import BULK_PATH, BulkRoute
from lastseen.ingest.foreign.base import Reporting
from lastseen.ingest.foreign.healthchecks import PING_PREFIX, PingRoute
from lastseen.ingest.foreign.kuma import PUSH_PREFIX, PushRoute
from lastseen.ingest.foreign.lunasentri import METRICS_PATH, MetricsRoute
from lastseen.ingest.gate import Gate

Route = Callable[[Scope, Receive, Send], Awaitable[None]]


class WaysIn:
    """The raw routes that are not the hot path."""

    def __init__(self, monitor: Reporting, gate: Gate) -> None:
        self._paths: dict[str, Route] = {
            BULK_PATH: BulkRoute(monitor, gate),
            METRICS_PATH: MetricsRoute(monitor, gate),
        }
        self._prefixes: tuple[tuple[str, Route], ...] = (
            (PING_PREFIX, PingRoute(monitor, gate)),
            (PUSH_PREFIX, PushRoute(monitor, gate)),
        )

    def route(self, path: str) -> Route | None:
        """None: this path is none of ours."""
        found = self._paths.get(path)
        if found is not None:
            return found
        return next((route for prefix, route in self._prefixes if path.startswith(prefix)), None)
