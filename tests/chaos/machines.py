"""Machines that report as real ones do, and keep a log of what they said when, and of when they said nothing."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from tests.chaos.evidence import Beat
from tests.support import pace

BODIES = {
    "alive": b"",
    "ok": b'{"status": "ok"}',
    "error": b'{"status": "error", "message": "too hot"}',
    "goodbye": b'{"status": "offline"}',
}
ANSWERED_WITHIN = 1.5
"""Seconds that a machine waits for an answer before it asks somebody else."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a machine does next: `beats` for so many seconds, `pauses` for them, is `gone` or says `goodbye` until it
    was found and for as long after, or has an `error` for as long."""

    does: str
    seconds: float


def script(rng: random.Random, threshold: float, steps: int) -> list[Step]:
    """A life: it begins and, half the time, ends alive."""
    kinds = rng.choices(("pauses", "gone", "goodbye", "error"), (2, 4, 2, 1), k=steps)
    life = [Step("beats", rng.uniform(2, 6))]
    for kind in kinds:
        longest = threshold * 1.3 if kind == "pauses" else 3.0
        life += [Step(kind, rng.uniform(0.3, longest)), Step("beats", rng.uniform(2, 7))]
    return life if rng.random() < 0.6 else [*life, Step("gone", 0.0)]


class Way(Protocol):
    """How a machine is heard: True when it was told that it was."""

    async def say(self, machine: int, said: str) -> float | None:
        """When it was acknowledged; None: not, or it is not known."""
        ...


class OverHttp:
    """To any node, as behind a proxy: whoever does not answer is not asked again at once."""

    def __init__(self, urls: Callable[[], Sequence[str]], keys: dict[int, str], rng: random.Random) -> None:
        self._urls, self._keys, self._rng = urls, keys, rng
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWERED_WITHIN))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def say(self, machine: int, said: str) -> float | None:
        assert self._session is not None
        url = self._rng.choice(self._urls())
        headers = {"Authorization": f"Bearer {self._keys[machine]}"}
        try:
            async with self._session.post(
                f"{url}/api/v1/heartbeat", data=BODIES[said] or None, headers=headers
            ) as answer:
                await answer.read()
                return time.time() if answer.status == 204 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


class Simulated:
    """One machine. `status`: what the database says of it now; `over`: the run has ended."""

    def __init__(
        self, number: int, via: str, every: float, way: Way, log: list[Beat], status: Callable[[int], str | None]
    ) -> None:
        self.id, self.via, self._every, self._way, self._log, self._status = number, via, every, way, log, status
        self.over = asyncio.Event()
        self.stays_silent = False
        self.done = False
        self.doing: Step | None = None

    async def live(self, life: Sequence[Step]) -> None:
        while not self.over.is_set() and self._status(self.id) != "online":
            await self._say(
                "alive"
            )  # what a broker has may be lost with it: nobody waits for the end of who is unknown
            await pace(self._every)
        for step in life:
            self.doing = step
            self.done = step is life[-1] and step.does == "gone"
            await getattr(self, f"_{step.does}")(step.seconds)
        self.done = True
        while not self.over.is_set() and not self.stays_silent:
            await self._beats(self._every)

    async def _beats(self, seconds: float, said: str = "alive") -> None:
        until = time.time() + seconds
        while time.time() < until and not self.over.is_set():
            await self._say(said)
            await pace(self._every)

    async def _say(self, said: str, tries: int = 20) -> None:
        """Again and again until it is acknowledged, as the agent does."""
        for _ in range(tries):
            sent = time.time()
            acked = await self._way.say(self.id, said)
            self._log.append(Beat(self.id, said, sent, acked, self.via))
            if acked is not None or self.over.is_set():
                return
            await pace(0.1)

    async def _pauses(self, seconds: float) -> None:
        await pace(seconds)

    async def _gone(self, seconds: float) -> None:
        """Until it was found, and a while longer."""
        self.stays_silent = self.done
        while not self.over.is_set() and (self.stays_silent or self._status(self.id) != "offline"):
            await pace(0.2)
        await pace(seconds)

    async def _goodbye(self, seconds: float) -> None:
        await self._say("goodbye")
        await self._gone(seconds)

    async def _error(self, seconds: float) -> None:
        await self._say("error")
        await self._beats(seconds)
        await self._say("ok")
