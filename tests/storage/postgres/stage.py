"""Several nodes on one database, and ways to hold a transaction open at a chosen point: no test here waits for time.

What a store is given to decide with (`decide`, `admit`, `plan`) runs within its transaction; so a `Pause` in it holds
that open. Whether the other waits for it, or does not, the server says.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import psycopg

from lastseen.model import Event
from lastseen.protocols import Decide
from lastseen.storage.postgres import PostgresDatabase
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql import SqlStore
from lastseen.storage.workers import Work
from tests.servers.postgres import PostgresServer
from tests.support import eventually

T = TypeVar("T")
KEY = "2yOqL2zRyW0y3hB0t2dR5wXzJ2Cq5o0o8c1yGmX7wqE="
PATIENCE = 120.0

_WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = ANY(%s)"
)


class Pause:
    """A point that one thread reaches and stays at until it is let go."""

    def __init__(self) -> None:
        self._reached, self._go = threading.Event(), threading.Event()

    def here(self) -> None:
        self._reached.set()
        assert self._go.wait(PATIENCE), "nobody let it go on"

    def at(self, answer: Callable[..., T]) -> Callable[..., T]:
        """The same answer, after the pause; only the first question is held up."""

        def held(*given: Any) -> T:
            if not self.is_reached:
                self.here()
            return answer(*given)

        return held

    @property
    def is_reached(self) -> bool:
        return self._reached.is_set()

    async def reached(self) -> None:
        await eventually(self._reached.is_set, timeout=PATIENCE)

    def go(self) -> None:
        self._go.set()


class Stage:
    """A database, its nodes, and what happens on them."""

    def __init__(self, server: PostgresServer, url: str, nodes: list[SqlStore]) -> None:
        self.server, self.url, self.nodes = server, url, nodes
        self._looking = psycopg.connect(url, autocommit=True)
        self._running: list[asyncio.Task[Any]] = []
        self._pauses: list[Pause] = []

    def pause(self) -> Pause:
        made = Pause()
        self._pauses.append(made)
        return made

    def start(self, doing: Awaitable[T]) -> asyncio.Task[T]:
        task: asyncio.Task[T] = asyncio.ensure_future(doing)  # type: ignore[assignment]
        self._running.append(task)
        return task

    async def before_commit(self, store: SqlStore, way: str, doing: Awaitable[T]) -> tuple[Pause, asyncio.Task[T]]:
        """Do it, and hold it open when it has done everything but commit. `way`: the method of the database that it
        goes through."""
        pause, original = self.pause(), getattr(store.database, way)

        async def held(work: Work[Any]) -> Any:
            setattr(store.database, way, original)

            def then_wait(connection: Any) -> Any:
                result = work(connection)
                pause.here()
                return result

            return await original(then_wait)

        setattr(store.database, way, held)
        task = self.start(doing)
        await pause.reached()
        return pause, task

    async def waits(self, count: int = 1, *, on: str = "row") -> None:
        """Somebody waits for a lock that another holds: of a row, or the one that the rules are changed under."""
        events = ["transactionid", "tuple"] if on == "row" else ["advisory"]
        await eventually(lambda: self.rows(_WAITING, events)[0][0] >= count, timeout=PATIENCE)

    def rows(self, statement: str, *values: Any) -> list[Any]:
        return self._looking.execute(statement.encode(), list(values) or None).fetchall()

    def end_sessions(self, state: str) -> None:
        """The server ends the connections that are in this state, as it does for a client that is gone."""
        ended = self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = %s",
            state,
        )
        assert ended

    async def until_settled(self, store: SqlStore, decide: Decide, now: datetime) -> Sequence[Event]:
        """What is settled, once the server has let go of what it held for somebody else."""
        return await eventually(lambda: store.settle(decide, now), timeout=PATIENCE)

    async def close(self) -> None:
        for pause in self._pauses:
            pause.go()
        await asyncio.gather(*self._running, return_exceptions=True)
        for store in self.nodes:
            await store.close()
        self._looking.close()


def node(url: str) -> SqlStore:
    database = PostgresDatabase(url, "check")
    database.held = f"{PATIENCE:g}s"  # who is stopped on this stage goes on
    return SqlStore(database, SecretBox(key_text=KEY))


@asynccontextmanager
async def on_stage(server: PostgresServer, count: int = 2) -> AsyncIterator[Stage]:
    url = server.migrated()
    nodes = [node(url) for _ in range(count)]
    for store in nodes:
        await store.open()
    stage = Stage(server, url, nodes)
    try:
        yield stage
    finally:
        await stage.close()
