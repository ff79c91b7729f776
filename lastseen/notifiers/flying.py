"""The sends of one lane that are in flight."""

from __future__ import annotations

import anyio

WIDTH = 32
"""Sends in flight on one lane."""


class Flying:
    """How many sends are in flight, and a way to wait until there are fewer, or until there may be more to send."""

    def __init__(self) -> None:
        self.count = 0
        self._called = False
        self._changed = anyio.Event()

    def called(self) -> None:
        self._called = True
        self._changed.set()

    def landed(self) -> None:
        self.count -= 1
        self._changed.set()

    async def some_landed(self, at_most: int) -> None:
        while self.count > max(at_most, 0) and not (self._called and self.count < WIDTH):
            self._changed = anyio.Event()
            await self._changed.wait()
        self._called = False
