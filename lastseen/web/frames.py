"""What happens, as server-sent events (the HTML standard, section 9.2). Each is made once, whoever it is sent to."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

RETRY = (1000, 4000)
"""Milliseconds after which a browser that was cut off asks again: not all at the same moment."""

LONGEST = 32 * 1024
"""Bytes that are given to a connection at once: what one does not take is kept for it."""

RESET = b'event: reset\ndata: {"reason": "the position is of another past: read again what you show"}\n\n'
"""Sent to who asks to go on after an event that never was: the database was restored."""

_encode = msgspec.json.Encoder().encode


def frame(position: str, event: dict[str, Any], machine: dict[str, Any] | None) -> bytes:
    """An event, and its machine as it is now (None: it has none)."""
    said = _encode({"event": event, "machine": machine})
    return b"id: %b\ndata: %b\n\n" % (position.encode(), said)


def idle(position: str) -> bytes:
    """No event, but the position to go on from."""
    return b":\nid: %b\n\n" % position.encode()


def opening() -> bytes:
    return b"retry: %d\n\n" % random.randint(*RETRY)  # noqa: S311  (no secret)


def pieces(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Joined, but for more than LONGEST."""
    some: list[bytes] = []
    size = 0
    for one in frames:
        if some and size + len(one) > LONGEST:
            yield b"".join(some)
            some, size = [], 0
        some.append(one)
        size += len(one)
    if some:
        yield b"".join(some)
