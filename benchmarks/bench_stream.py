"""Many clients of the stream while a fleet flaps: each is sent every event once, those of a machine without a gap. How
much memory the server takes for it, how soon a change is with the clients, and how fast the server stops.

Some clients read nothing while the fleet flaps; whoever is hung up on for that goes on with the last id.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec

from benchmarks.common import Figure, arguments, fsync_ms, lastseen, machine, report, serving, workspace
from benchmarks.fleet import fill
from lastseen.clock import SystemClock

PATIENCE = 120.0
LAZY = 10
"""Of so many clients one reads nothing for a while."""

FIRST = 2
"""Events that each machine of `fill` has had."""

QUIET = 1.0
"""Seconds after which the server tells a change at once again."""


class Event(msgspec.Struct):
    machine_id: int | None
    seq: int | None


class Said(msgspec.Struct):
    event: Event


_decode = msgspec.json.Decoder(Said).decode


@dataclass
class Client:
    host: str
    port: int
    key: str
    lazy: bool
    reading: asyncio.Event
    position: str = ""
    events: int = 0
    lives: int = 0
    whole: bool = False
    heard_at: float = 0.0
    seqs: dict[int, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Until the server has stopped."""
        while not self.whole:
            try:
                reader, writer = await asyncio.open_connection(self.host, self.port)
            except OSError:
                return
            try:
                self.lives += 1
                await self._live(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass  # hung up on: once more, from there on
            finally:
                writer.close()

    async def _live(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        last = f"Last-Event-ID: {self.position}\r\n" if self.position else ""
        asked = (
            f"GET /api/v1/stream?type=machine.* HTTP/1.1\r\nHost: {self.host}\r\nX-API-Key: {self.key}\r\n{last}\r\n"
        )
        writer.write(asked.encode())
        while line := await reader.readline():
            if self.lazy:
                await self.reading.wait()
            self._take(line)

    def _take(self, line: bytes) -> None:
        """A frame is never in two chunks, so that lines are enough."""
        if line.startswith(b"id: "):
            self.position = line[4:].decode().strip()
        elif line.startswith(b"data: "):
            event = _decode(line[6:]).event
            if event.machine_id is None or event.seq is None:
                return
            expected = self.seqs.get(event.machine_id, FIRST) + 1
            if event.seq != expected:
                raise SystemExit(f"machine {event.machine_id}: event {event.seq} came instead of {expected}")
            self.seqs[event.machine_id] = event.seq
            self.events += 1
            self.heard_at = time.perf_counter()
        elif line == b"0\r\n":
            self.whole = True  # the answer has ended in good order


def megabytes(process: subprocess.Popen[bytes], what: str = "VmRSS") -> float:
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(text.partition(f"{what}:")[2].split()[0]) / 1024


async def until(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited too long: {what}")
        await asyncio.sleep(0.005)


@dataclass
class Stage:
    url: str
    process: subprocess.Popen[bytes]
    http: httpx.AsyncClient
    clients: list[Client]
    tasks: list[asyncio.Task[None]]
    reading: asyncio.Event
    machines: int
    told: int = 0

    async def flip(self, numbers: Sequence[int], status: str) -> None:
        rows = "\n".join(json.dumps({"machine": f"m{number}", "status": status}) for number in numbers)
        answer = await self.http.post("/api/v1/heartbeats", content=rows)
        if answer.status_code != 200 or answer.json()["accepted"] != len(numbers):
            raise SystemExit(f"not taken: {answer.status_code} {answer.text[:200]}")
        self.told += len(numbers)

    async def all_told(self, clients: Sequence[Client]) -> None:
        def have() -> bool:
            for task in self.tasks:
                if task.done():
                    task.result()
            return all(client.events >= self.told for client in clients)

        await until(have, f"{self.told} events with {len(clients)} clients")

    async def change_ms(self, count: int) -> tuple[list[float], list[float]]:
        """From the request that changes one machine to the first client that reads it, and to the last."""
        first, last = [], []
        for number in range(2 * count):
            await asyncio.sleep(QUIET)
            began = time.perf_counter()
            await self.flip([0], "ok" if number % 2 else "error")
            await self.all_told(self.clients)
            heard = [client.heard_at for client in self.clients]
            first.append(1000 * (min(heard) - began))
            last.append(1000 * (max(heard) - began))
        return first, last

    async def storm(self, rounds: int) -> float:
        """All machines flap; some clients read nothing meanwhile. Seconds until those who read have it all."""
        self.reading.clear()
        began = time.perf_counter()
        for number in range(2 * rounds):
            await self.flip(range(self.machines), "ok" if number % 2 else "error")
            await self.all_told([client for client in self.clients if not client.lazy])
        took = time.perf_counter() - began
        self.reading.set()
        await self.all_told(self.clients)
        return took

    async def stop(self) -> float:
        """Seconds from the signal to the end of the process. Every answer is whole."""
        began = time.perf_counter()
        self.process.terminate()
        if await asyncio.to_thread(self.process.wait, 60):
            raise SystemExit(f"the server ended with {self.process.returncode}")
        took = time.perf_counter() - began
        await asyncio.gather(*self.tasks)
        broken = sum(not client.whole for client in self.clients)
        if broken:
            raise SystemExit(f"{broken} streams were broken off")
        return took


async def measure(folder: Path, clients: int, machines: int, rounds: int, changes: int) -> list[Figure]:
    env = {"LASTSEEN_DATA_DIR": str(folder)}
    await asyncio.to_thread(fill, folder / "lastseen.db", machines, SystemClock().now())
    fleet, api = (json.loads(lastseen("keys", "add", scope, "--json", env=env))["key"] for scope in ("fleet", "api"))
    settings = {"LASTSEEN_RATE_LIMIT": "off", "LASTSEEN_FLAPPING": "off", "LASTSEEN_PORT": "0"}
    with serving(folder, **settings) as (url, process, _):
        async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": fleet}, timeout=60) as http:
            stage = Stage(url, process, http, [], [], asyncio.Event(), machines)
            stage.reading.set()
            alone = megabytes(process)
            await add(stage, api, 1)
            one = await stage.change_ms(changes)
            await add(stage, api, clients - 1)
            many = await stage.change_ms(changes)
            connected = megabytes(process)
            took = await stage.storm(rounds)
            grown = megabytes(process, "VmHWM") - connected
            stopped = await stage.stop()
    events, lives = sum(c.events for c in stage.clients), sum(c.lives for c in stage.clients)
    if events != stage.told * clients:
        raise SystemExit(f"{events} events were read instead of {stage.told * clients}")
    print(f"{clients} clients were sent {stage.told} events each, once and without a gap, over {lives} connections")
    storm = stage.told - 4 * changes
    return [
        Figure("a change to the only client", "ms", one[1], [], "", "<= 1,000"),
        Figure(f"a change to the last of {clients} clients", "ms", many[1], [], "", "<= 1,000"),
        Figure(f"a change to the first of {clients} clients", "ms", many[0], [], ""),
        Figure(f"{machines} machines flap, events to {clients} clients", "/s", [storm * clients / took], [], ""),
        Figure(f"memory of the server for {clients} clients", "MB", [max(connected - alone, 0)], [], ""),
        Figure("… and more at most while all machines flap", "MB", [max(grown, 0)], [], ""),
        Figure("the server stops", "s", [stopped], [], "", "<= 8"),
    ]


async def add(stage: Stage, key: str, count: int) -> None:
    address = urlsplit(stage.url)
    new = [
        Client(address.hostname or "", address.port or 80, key, number % LAZY == LAZY - 1, stage.reading)
        for number in range(count)
    ]
    for client in new:
        client.seqs.update(stage.clients[0].seqs if stage.clients else {})
        client.events = stage.told
        stage.tasks.append(asyncio.create_task(client.run()))
    stage.clients += new
    await until(lambda: all(client.position for client in new), f"{count} clients begin to follow")


def main() -> None:
    short = arguments().short
    print(machine())
    with workspace() as folder:
        print(f"fdatasync {fsync_ms(folder):.2f} ms")
        sizes = (50, 200, 2, 1) if short else (500, 1000, 5, 10)
        report(asyncio.run(measure(folder, *sizes)))


if __name__ == "__main__":
    main()
