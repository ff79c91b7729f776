"""Who only looks, at a page or by the API, reads on connections of their own: however many look, and however long a
page takes to be read, what heartbeats, the watch and alerts need is not behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_visiting: ContextVar[bool] = ContextVar("lastseen_visiting", default=False)


@contextmanager
def visiting() -> Iterator[None]:
    """What is read in here, and in tasks that begin in here, is for a visitor."""
    token = _visiting.set(True)
    try:
        yield
    finally:
        _visiting.reset(token)


def is_visit() -> bool:
    return _visiting.get()
