"""Real processes over a real file: started, killed, stopped, started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx

from lastseen.ingest.auth import new_key
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.protocols import Keys
from lastseen.storage import open_store
from tests.fresh import new_database
from tests.secrecy import log_of, secret
from tests.starting import LASTSEEN, Started, finished, start
from tests.support import eventually, free_port


@dataclass
class Server:
    """One `lastseen serve` over `folder`, killed and started at will, always on the same port."""

    folder: Path
    env: dict[str, str]
    port: int
    process: subprocess.Popen[Any] | Started | None = None
    prefix: Sequence[str] = ()
    program: str = LASTSEEN
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=60, verify=False))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    async def start(self) -> None:
        words, env = ["serve", "--port", str(self.port)], {**os.environ, **self.env}
        with self.log.open("ab") as log:
            if self.prefix:
                command = [*self.prefix, sys.executable, "-m", "lastseen", *words]
                self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
            else:
                self.process = start(words, env, output=log, errors=log, program=self.program)
        await eventually(self.ready, timeout=240, every=0.02)

    async def ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"serve ended: {self.log.read_text()[-2000:]}")
        try:
            return (await self.client.get(f"{self.url}/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(60)

    async def beat(self, key: str, body: dict[str, Any] | None = None) -> int:
        """The status of the answer; 0 for none (a connection that was idle while the server was stopped is closed)."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}"}
        try:
            answer = await self.client.post(f"{self.url}/api/v1/heartbeat", content=content, headers=headers)
        except httpx.TransportError:
            return 0
        return answer.status_code

    async def stop(self) -> None:
        await self.client.aclose()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                await anyio.to_thread.run_sync(self.process.wait, 60)
            except subprocess.TimeoutExpired:
                self.kill()
        log_of(str(self.log), self.log)

    async def cli(self, *args: str) -> Any:
        """A command beside the server, with its JSON answer. The far ends that the test plays go on meanwhile."""
        code, output, errors = await anyio.to_thread.run_sync(finished, [*args, "--json"], {**os.environ, **self.env})
        assert code == 0, errors
        return json.loads(output)


@asynccontextmanager
async def server(
    folder: Path, prefix: Sequence[str] = (), program: str = LASTSEEN, **env: str
) -> AsyncIterator[Server]:
    """Not started yet; stopped at the end whatever happened."""
    settings = {
        "LASTSEEN_DATA_DIR": str(folder),
        "LASTSEEN_LOG_FORMAT": "json",
        "MACHINE_OFFLINE_THRESHOLD": "2s",
        "MACHINE_HEARTBEAT_CHECK_INTERVAL": "1s",
        **env,
    }
    made = Server(folder, settings, free_port(), prefix=prefix, program=program)
    try:
        yield made
    finally:
        await made.stop()


async def fleet(folder: Path, count: int) -> dict[str, str]:
    """Machines and their keys by slug, in the file that the server will use."""
    store = open_store(new_database(folder / "lastseen.db"))
    assert isinstance(store, Keys)
    keys: dict[str, str] = {}
    monitor = HeartbeatMonitor(store)
    async with monitor.opened():
        for number in range(count):
            status = await monitor.watch(f"m{number}", expect="new")
            key = new_key("machine")
            await store.add_key("machine", key.digest, key.hint, monitor.clock.now(), machine_id=status.id)
            keys[status.slug] = secret(key.text)
    return keys


async def all_beat(made: Server, keys: dict[str, str]) -> None:
    """A heartbeat from each; every one acknowledged."""
    limit = anyio.CapacityLimiter(32)

    async def one(key: str) -> None:
        async with limit:
            assert await made.beat(key) == 204

    async with anyio.create_task_group() as group:
        for key in keys.values():
            group.start_soon(one, key)


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """What the file says, or `lastseen.db` in a folder, read by another connection."""
    import sqlite3

    db = sqlite3.connect(path / "lastseen.db" if path.is_dir() else path, timeout=30)
    try:
        return db.execute(statement).fetchall()
    finally:
        db.close()
