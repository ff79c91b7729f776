"""What tests of every kind use: what they need of the machine, and waiting for a condition instead of sleeping."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import anyio
import pytest

from lastseen.errors import ConfigurationError
from lastseen.listening import bind

T = TypeVar("T")

MORE_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
"""Where daemons are installed, which is not on everybody's PATH."""


_PORTS = itertools.count(os.getpid())


def in_ci() -> bool:
    """Whether everything must be there: `CI` is set, to anything but `false` or `0`."""
    return os.environ.get("CI", "").strip().lower() not in ("", "false", "0")


def need(here: object, reason: str) -> None:
    """Go on if `here`; else the test fails in CI and is skipped elsewhere, with this reason."""
    if here:
        return
    if in_ci():
        pytest.fail(f"nothing may be skipped in CI: {reason}", pytrace=False)
    pytest.skip(reason)


def needs(here: object, reason: str) -> pytest.MarkDecorator:
    """`need` as a mark, answered before the fixtures of the test are made."""
    return pytest.mark.needs(bool(here), reason)


def find(program: str) -> str | None:
    """The path of a program, also where daemons are."""
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(MORE_PLACES))


def needs_programs(*programs: str) -> pytest.MarkDecorator:
    """A mark: these are installed."""
    missing = [program for program in programs if find(program) is None]
    return needs(not missing, f"not installed: {', '.join(missing)}")


def free_port() -> int:
    """For a server that is started in a moment. No other process of the tests is given the same one, and no connection
    gets it meanwhile by itself, as happens to those that the system picks."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    while True:
        port = 10_000 + 1_000 * (worker % 20) + next(_PORTS) % 1_000
        with suppress(ConfigurationError), bind("127.0.0.1", port):
            return port


needs_root = needs(os.geteuid() == 0, "only root can give files to other users")


async def eventually(check: Callable[[], T | Awaitable[T]], timeout: float = 60.0, every: float = 0.01) -> T:
    """The first truthy answer of `check`; AssertionError after `timeout` seconds. Assertions in it count as no."""
    wait = _Wait(str(check), timeout)
    while True:
        with wait.trying():
            answer = check()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return answer
        await anyio.sleep(every)


def until(check: Callable[[], T], what: str, timeout: float = 60.0, every: float = 0.02) -> T:
    """As `eventually`, where nothing is async; `what` is waited for."""
    wait = _Wait(what, timeout)
    while True:
        with wait.trying():
            if answer := check():
                return answer
        time.sleep(every)


class _Wait:
    def __init__(self, what: str, timeout: float) -> None:
        self._what, self._timeout = what, timeout
        self._deadline = time.monotonic() + timeout

    @contextmanager
    def trying(self) -> Iterator[None]:
        problem: AssertionError | None = None
        try:
            yield
        except AssertionError as error:
            problem = error
        if time.monotonic() > self._deadline:
            raise AssertionError(f"not within {self._timeout:g} s: {self._what}") from problem


async def read_until(stream: asyncio.StreamReader, words: bytes, timeout: float = 60.0) -> bytes:
    """What a process says, up to the line with these words; AssertionError where it ends before."""
    said = b""
    with anyio.fail_after(timeout):
        while words not in said:
            line = await stream.readline()
            assert line, f"it ended after {said!r}"
            said += line
    return said


async def pace(seconds: float) -> None:
    """How fast a far end or a fleet is that a test plays; never to wait for something that should come to pass."""
    await anyio.sleep(seconds)
