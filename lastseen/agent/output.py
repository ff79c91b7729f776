"""The output of a job: handed on as it comes, its end kept."""

from __future__ import annotations

import os
import selectors
import threading
from collections.abc import Mapping

from lastseen.agent.telling import TAIL

CHUNK = 65_536
LINGER = 2.0
"""Seconds without output after which an ended job's pipes are left: what it left running may hold them for ever."""

AFTERWARDS = 16 * CHUNK
"""Bytes that are handed on, at most, of what comes after the end."""


class Tee:
    """Copies from pipes to where the output belongs, in a thread, until all are closed, or soon after `finish`.

    `routes`: from the pipe's end that we read (and close) to the descriptor that we write to (and leave open). Where
    nobody takes the output any more the pipe is closed, so that the job is told as it would be without us.
    """

    def __init__(self, routes: Mapping[int, int]) -> None:
        self._routes, self._tail = dict(routes), bytearray()
        self._over_read, self._over_write = os.pipe()
        self._thread = threading.Thread(target=self._copy, name="output", daemon=True)
        self._thread.start()

    def finish(self) -> str:
        """The job has ended: wait for the rest of its output; then what was kept, as text."""
        os.close(self._over_write)
        self._thread.join()
        return text(bytes(self._tail))

    def _copy(self) -> None:
        over, room = False, AFTERWARDS
        with selectors.DefaultSelector() as ready:
            for source in (self._over_read, *self._routes):
                ready.register(source, selectors.EVENT_READ)
            while self._routes and room > 0:
                found = [key.fd for key, _ in ready.select(LINGER if over else None)]
                if not found:
                    break
                if self._over_read in found:
                    over = True
                    ready.unregister(self._over_read)
                    found.remove(self._over_read)
                for source in found:
                    copied = self._pass_on(source)
                    room -= copied if over else 0
                    if not copied:
                        ready.unregister(source)
                        os.close(source)
                        del self._routes[source]
        for descriptor in (*self._routes, self._over_read):
            os.close(descriptor)

    def _pass_on(self, source: int) -> int:
        """One piece; 0 when there is no more, or nobody to take it."""
        try:
            piece = os.read(source, CHUNK)
            self._tail += piece
            if len(self._tail) > TAIL + CHUNK:
                del self._tail[:-TAIL]
            write_all(self._routes[source], piece)
        except OSError:
            return 0
        return len(piece)


def write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # whoever started us made it so
            with selectors.DefaultSelector() as ready:
                ready.register(descriptor, selectors.EVENT_WRITE)
                ready.select()


def text(output: bytes, limit: int = TAIL) -> str:
    """The end of it as text that any JSON can hold: no NUL, nothing that is no character, at most `limit` bytes."""
    words = output[-limit:].decode(errors="replace").replace("\0", "")
    short = words.encode()[-limit:].decode(errors="ignore")
    return short.lstrip("\ufffd") if len(output) > limit else short
