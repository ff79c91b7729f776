"""A client of the stream, as a test plays it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

STREAM = "/api/v1/stream"


@dataclass
class Read:
    """What came: `events` as they were sent, the position after the newest, and what is neither."""

    lines: AsyncIterator[str]
    events: list[dict[str, Any]] = field(default_factory=list)
    position: str = ""
    retry: int | None = None
    named: list[str] = field(default_factory=list)
    beats: int = 0

    async def one(self) -> dict[str, Any] | None:
        """The next event with data; None: the stream has ended."""
        count = len(self.events)
        while await self.block():
            if len(self.events) > count:
                return self.events[-1]
        return None

    async def block(self) -> bool:
        """What comes up to the next empty line; False: the stream has ended."""
        said: dict[str, str] = {}
        async for line in self.lines:
            if line == "":
                self._take(said)
                return True
            key, _, value = line.partition(":")
            said[key] = value.removeprefix(" ")
        return False

    def _take(self, said: dict[str, str]) -> None:
        self.beats += "" in said
        self.position = said.get("id", self.position)
        self.retry = int(said["retry"]) if "retry" in said else self.retry
        if "event" in said:
            self.named.append(said["event"])
        elif "data" in said:
            self.events.append(json.loads(said["data"]))

    async def until(self, count: int) -> list[dict[str, Any]]:
        while len(self.events) < count:
            assert await self.one() is not None, f"it ended after {len(self.events)} events"
        return self.events

    async def placed(self) -> str:
        """The first position, before anything has happened."""
        while not self.position:
            assert await self.block()
        return self.position

    @property
    def types(self) -> list[str]:
        return [one["event"]["type"] for one in self.events]


@asynccontextmanager
async def stream(
    http: httpx.AsyncClient, key: str, position: str = "", *, cookie: str = "", **query: Any
) -> AsyncIterator[Read]:
    who = {"Cookie": f"lastseen={cookie}"} if cookie else {"Authorization": f"Bearer {key}"}
    headers = {**who, **({"Last-Event-ID": position} if position else {})}
    async with http.stream("GET", STREAM, params=query, headers=headers) as answer:
        if answer.status_code != 200:
            await answer.aread()
        answer.raise_for_status()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Read(answer.aiter_lines())
