"""What systemd is told of us: sd_notify's datagrams (sd_notify(3), "Well-known assignments").

Own, because it is one datagram: the packages that do it were last released in 2017, or bring libsystemd along.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Self


class Manager:
    """Tells the service manager how we are. Saying something never waits, and never raises.

    `address`: of its socket, "@" for an abstract one. `watchdog`: seconds within which it wants to hear that we live,
    None when it does not. Lines that could not be sent go along with the next ones.
    """

    def __init__(self, address: str, watchdog: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = watchdog
        self._unsaid: dict[str, str] = {}
        self._status = ""

    @classmethod
    def of_environment(cls, environment: MutableMapping[str, str]) -> Self | None:
        """By NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which are taken out: programs that we start are not meant.
        None: nobody wants to hear of us."""
        address = environment.pop("NOTIFY_SOCKET", "")
        span, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        if not address.startswith(("/", "@")) or len(address) < 2:
            return None
        ours = span.isdecimal() and int(span) > 0 and pid in ("", str(os.getpid()))
        return cls(address, int(span) / 1e6 if ours else None)

    def ready(self) -> None:
        self._say(READY="1")

    def stopping(self) -> None:
        self._say(STOPPING="1", STATUS="stopping")

    def alive(self) -> None:
        """We do what we are there for. Worth nothing later: it is not said again."""
        self._say(WATCHDOG="1")
        self._unsaid.pop("WATCHDOG", None)

    def status(self, text: str) -> None:
        """One line for people: `systemctl status` shows it."""
        if text != self._status:
            self._status = text
            self._say(STATUS=" ".join(text.split()))

    def _say(self, **lines: str) -> None:
        self._unsaid |= lines
        text = "\n".join(f"{name}={value}" for name, value in self._unsaid.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.setblocking(False)
                channel.sendto(text.encode(), self._address)
        except OSError:
            return  # it is not there, or has not read what it was told before
        self._unsaid.clear()
