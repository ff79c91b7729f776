"""systemd's side: a datagram socket that reads what a service says of itself."""

from __future__ import annotations

import socket
from typing import Self


class Listening:
    """Bound to a path, or with "@" to an abstract address. Never waits."""

    def __init__(self, address: str) -> None:
        self.name = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(self.name)
        self.all: list[dict[str, str]] = []

    def messages(self) -> list[dict[str, str]]:
        """What has come since it was last asked."""
        new = []
        while True:
            try:
                text = self._socket.recv(8192).decode()
            except BlockingIOError:
                break
            new.append(dict(line.split("=", 1) for line in text.split("\n")))
        self.all += new
        return new

    def count(self, name: str) -> int:
        """How often this was said so far."""
        self.messages()
        return sum(name in message for message in self.all)

    @property
    def status(self) -> str:
        """The newest."""
        self.messages()
        return next((message["STATUS"] for message in reversed(self.all) if "STATUS" in message), "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()
