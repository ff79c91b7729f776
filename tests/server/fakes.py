"""Small stand-ins of the protocols, for what is tested without a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lastseen.ingest.auth import digest_of
from lastseen.model import Beat
from lastseen.model.keys import Key, KeyMatch, OutOfService
from tests.support import pace


class HandClock:
    """A clock whose hands are moved by the test."""

    virtual = False

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.put = 0.0
        """Seconds by which somebody put it forward, or back; what is monotonic knows nothing of that."""

    def now(self) -> datetime:
        return datetime(2025, 10, 10, 16, 0, tzinfo=UTC) + timedelta(seconds=self.seconds + self.put)

    wall = now

    def monotonic(self) -> float:
        return self.seconds

    def measure(self) -> None:
        return None

    def start_at(self, earliest: datetime) -> None:
        return None

    async def sleep(self, seconds: float) -> None:
        """Over in a moment; but what looks again and again, as a server that runs does, is not all that happens."""
        await pace(min(seconds, 0.002))


class FakeKeys:
    """Keys in a dictionary. Counts what it is asked."""

    def __init__(self) -> None:
        self.matches: dict[str, KeyMatch] = {}
        self.version = 0
        self.out = OutOfService()
        self.reads: list[str] = []
        self.version_reads = 0
        self.used: list[int] = []
        self.failing: Exception | None = None
        self.gate: asyncio.Event | None = None

    def put(self, text: str, scope: str = "machine", machine: int | None = 1, **more: Any) -> str:
        enabled, fresh = more.pop("enabled", True), more.pop("fresh", False)
        key = Key(id=len(self.matches) + 1, scope=scope, hint=text[:12], machine_id=machine, **more)
        self.matches[digest_of(text)] = KeyMatch(key, enabled, fresh)
        self.version += 1
        return text

    def drop(self, text: str) -> None:
        del self.matches[digest_of(text)]
        self.version += 1

    async def find_key(self, digest: str, now: datetime) -> KeyMatch | None:
        self.reads.append(digest)
        if self.failing:
            raise self.failing
        match = self.matches.get(digest)
        if self.gate is not None:
            await self.gate.wait()
        return match

    async def key_used(self, key_id: int, now: datetime) -> None:
        self.used.append(key_id)

    async def out_of_service(self) -> OutOfService:
        return self.out

    async def keys_version(self) -> int:
        self.version_reads += 1
        if self.failing:
            raise self.failing
        return self.version


class FakeWay:
    """Nobody waits for its store."""

    def missed(self, seconds: float) -> None: ...

    def waits(self, waited: Callable[[], float]) -> None: ...


class FakeMonitor:
    """Keeps what it is given; `failing` is what it says instead."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.here = clock, FakeWay()
        self.beats: list[Beat] = []
        self.failing: Exception | None = None

    async def record(self, beat: Beat) -> None:
        if self.failing:
            raise self.failing
        self.beats.append(beat)


async def ask(
    route: Any,
    *parts: bytes,
    key: str | None = None,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    disconnect: bool = False,
) -> tuple[int, dict[str, str], bytes, int]:
    """One request by hand: status, headers, body, and how many parts of the body were read. Status 0: no answer."""
    said = {**({"authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
    if parts and not said.keys() & {"content-length", "transfer-encoding"}:
        said["content-length"] = str(sum(map(len, parts)))
    scope = {
        "type": "http",
        "method": method,
        "path": "/api/v1/heartbeat",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in said.items()],
    }
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if disconnect:
        messages.append({"type": "http.disconnect"})
    elif messages:
        messages[-1]["more_body"] = False
    read = 0
    sent: list[Any] = []

    async def receive() -> Any:
        nonlocal read
        read += 1
        return messages[read - 1] if read <= len(messages) else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await route(scope, receive, send)
    if not sent:
        return 0, {}, b"", read
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(m.get("body", b"") for m in sent[1:]), read
