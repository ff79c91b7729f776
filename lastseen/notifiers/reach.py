"""What the last sends say of our own line: did any of them reach a far end beyond this network?"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections import deque
from datetime import datetime
from functools import lru_cache

import httpx

from lastseen.model import Outcome, Retry
from lastseen.notifiers.addresses import Policy, refusal

REMEMBERED = 500
"""Sends."""

_NO_WAY = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT})
_NEAR = (".local", ".lan", ".home", ".internal", ".localdomain", ".home.arpa", ".localhost")


class Reach:
    """The ends of sends, in the order of their times."""

    def __init__(self) -> None:
        self._ends: deque[tuple[datetime, bool]] = deque(maxlen=REMEMBERED)

    def note(self, host: str | None, outcome: Outcome, now: datetime) -> None:
        """`host` of the far end: "" for none, None where that is not known. A far end on this network, and none, say
        nothing of our line; of an unknown one only success does."""
        if host is not None and is_near(host):
            return
        lost = isinstance(outcome, Retry) and outcome.unreached
        if host is not None or not lost:
            self._ends.append((now, not lost))

    @property
    def failing(self) -> bool:
        """The last one got nowhere."""
        return bool(self._ends) and not self._ends[-1][1]

    def cut(self, since: datetime) -> bool:
        """There were sends since then, and none got anywhere."""
        ends = [reached for at, reached in self._ends if at >= since]
        return bool(ends) and not any(ends)

    def answered(self, since: datetime) -> bool:
        """Somebody outside was reached since then."""
        return any(reached for at, reached in self._ends if at > since)


@lru_cache(maxsize=4096)
def is_near(host: str) -> bool:
    """On this computer or this network, as far as its name tells."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        return refusal(ipaddress.ip_address(host), Policy()) is not None
    except ValueError:
        return "." not in host or host.endswith(_NEAR)


def unreached(error: BaseException | None) -> bool:
    """No connection was made because there was no way to the far end: no name server, no route, no answer at all. One
    that refuses is there."""
    while error is not None:
        if isinstance(error, httpx.ConnectTimeout | socket.gaierror):
            return True
        if isinstance(error, OSError) and error.errno in _NO_WAY:
            return True
        error = error.__cause__ or error.__context__
    return False
