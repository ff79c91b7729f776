"""Waiting for a condition with a deadline, instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


async def eventually(check: Callable[[], T | Awaitable[T]], timeout: float = 20.0, every: float = 0.01) -> T:
    """The first truthy answer of `check`; AssertionError after `timeout` seconds. Assertions in it count as no."""
    deadline = time.monotonic() + timeout
    problem: BaseException | None = None
    while True:
        try:
            answer = check()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return answer
        except AssertionError as error:
            problem = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {check}") from problem
        await anyio.sleep(every)
