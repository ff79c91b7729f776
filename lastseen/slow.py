"""Clients that take their time: a connection is cut when its headers take over 10 s, or a body over 30 s.

uvicorn has a time limit for idle connections only. Its loop looks at all connections ten times a second here instead of
a timer for each request: that would cost the hot path more than all limits of use together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lastseen.ingest.asgi import PATIENCE
from lastseen.log import get_logger

HEADERS = 10.0
"""Seconds that the headers of a request may take, from the connection or the first byte of the request."""

BODY = PATIENCE + 2.0
"""Seconds for a body. Routes that read one answer 408 by themselves a little earlier."""

LONGEST_HEAD = 64 * 1024
"""Bytes of a request line with its headers, when they do not come all at once."""

SPACING = 0.5

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_log = get_logger()


class SlowClients:
    """Remembers since when each connection waits for the same thing, and cuts those that wait too long."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now, self._limits = monotonic, {"headers": HEADERS, "body": BODY}
        self._spacing = min(SPACING, *(limit / 4 for limit in self._limits.values()))
        self._waiting: dict[Any, tuple[str, Any, float]] = {}
        self._next = float("-inf")

    def look(self, connections: Iterable[Any]) -> None:
        """Called often; looks now and then."""
        now = self._now()
        if now < self._next:
            return
        self._next = now + self._spacing
        waiting: dict[Any, tuple[str, Any, float]] = {}
        for connection in list(connections):
            what = awaited(connection)
            if what is None:
                continue
            request = connection.cycle
            before = self._waiting.get(connection)
            same = before is not None and before[0] == what and before[1] is request
            since = before[2] if before is not None and same else now
            if now - since < self._limits[what]:
                waiting[connection] = (what, request, since)
            else:
                cut(connection, what)
        self._waiting = waiting


def awaited(connection: Any) -> str | None:
    """What the client still owes: "headers" or "body"; None: it is our turn, or an idle connection with a timer."""
    request = connection.cycle
    if request is None or request.response_complete:
        return "headers" if connection.timeout_keep_alive_task is None else None
    return "body" if request.more_body else None


def cut(connection: Any, what: str) -> None:
    """Without another word: whoever is so slow does not listen either. What was not received is not recorded."""
    _log.info("slow_client_cut", waited_for=what)
    connection.transport.abort()


def bounded_heads() -> Any:
    """uvicorn's protocol that does not gather headers for ever; where httptools is missing, its other one, which has
    such a bound."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        return "h11"

    class Bounded(HttpToolsProtocol):
        _head = 0

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.scope is None or "method" not in self.scope:  # a request line or headers, and not all of them
                self._head += len(data)
                if self._head > LONGEST_HEAD and not self.transport.is_closing():
                    self.transport.write(_TOO_LARGE)
                    self.transport.close()
            elif self._head:
                self._head = 0

    return Bounded
