"""Clients that take their time: a connection is cut when its headers take over 10 s, a body over 30 s, or when nothing
of an answer is read for 30 s.

uvicorn has a time limit for idle connections only. Its loop looks at all connections twice a second here instead of
a timer for each request: that would cost the hot path more than all limits of use together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from lastseen.ingest.asgi import PATIENCE
from lastseen.log import get_logger

HEADERS = 10.0
"""Seconds that the headers of a request may take, from the connection or the first byte of the request."""

BODY = PATIENCE + 2.0
"""Seconds for a body. Routes that read one answer 408 by themselves a little earlier."""

ANSWER = 30.0
"""Seconds in which a client that is sent an answer must have read something of it."""

_log = get_logger()


class SlowClients:
    """Remembers since when each connection waits for the same thing, and cuts those that wait too long."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now, self._limits = monotonic, {"headers": HEADERS, "body": BODY, "reading": ANSWER}
        self._waiting: dict[Any, tuple[str, Any, float]] = {}

    def look(self, connections: Iterable[Any]) -> None:
        """To be called about twice a second."""
        now = self._now()
        waiting: dict[Any, tuple[str, Any, float]] = {}
        slow: Counter[str] = Counter()
        for connection in list(connections):
            what, of = awaited(connection)
            if what is None:
                continue
            before = self._waiting.get(connection)
            since = before[2] if before is not None and before[:2] == (what, of) else now
            if now - since < self._limits[what]:
                waiting[connection] = (what, of, since)
            else:
                connection.transport.abort()  # without another word: whoever is so slow does not listen either
                slow[what] += 1
        self._waiting = waiting
        for what, count in slow.items():  # one line, however many: they shall not fill the log
            _log.info("slow_client_cut", waited_for=what, connections=count)


def awaited(connection: Any) -> tuple[str | None, Any]:
    """What the client still owes: "headers" or "body" of a request, or "reading" what it was sent; and by what to know
    that it is still the same. None: it is our turn, or an idle connection with a timer."""
    unread = connection.transport.get_write_buffer_size()
    if unread:
        return "reading", unread
    request = connection.cycle
    if request is None or request.response_complete:
        return ("headers" if connection.timeout_keep_alive_task is None else None), request
    return ("body" if request.more_body else None), request


def bounded_protocol() -> Any:
    """uvicorn's protocol with our bounds; where httptools is missing, its other one, which has bounds of its own."""
    try:
        from lastseen.web.bounded import Bounded
    except ImportError:
        return "h11"
    return Bounded
