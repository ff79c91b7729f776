"""Whatever becomes of whoever follows: each event once, and those of a machine in their order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from lastseen.monitor import live as module
from lastseen.storage import open_store
from tests.fresh import new_database
from tests.servers.postgres import PostgresServer
from tests.storage.postgres.stage import Pause, Stage, on_stage
from tests.stream.lives import Client, Fleet, lives_on
from tests.support import eventually

CLIENTS, MACHINES, STEPS = 8, 12, 40
HELD_AT_ONCE = 2


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pages and queues, so that everybody is behind now and then."""
    monkeypatch.setattr(module, "PAGE", 7)
    monkeypatch.setattr(module, "MOST_WAITING", 9)
    monkeypatch.setattr(module, "POLL", 0.005)
    monkeypatch.setattr(module, "SPACED", 0.001)


class Lives:
    def __init__(self, nodes: Sequence[Any], seed: int) -> None:
        self.nodes, self.seed, self.fleet = nodes, seed, Fleet(nodes, seed, MACHINES)
        self.clients: list[Client] = []

    async def run(self, step: Any) -> None:
        async with AsyncExitStack() as stack:
            lives = [await stack.enter_async_context(lives_on(store)) for store in self.nodes]
            self.clients = [Client(lives, self.seed * 100 + n, n / CLIENTS / 4) for n in range(CLIENTS)]
            await self.fleet.begin()
            tasks = [asyncio.create_task(client.run()) for client in self.clients]
            try:
                for number in range(STEPS):
                    await step(number)
                everything = await self.fleet.everything()
                await eventually(lambda: self._all_have(len(everything), tasks))
            finally:
                broken = [task.exception() for task in tasks if task.done()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            assert broken == []
            for client in self.clients:
                client.check(everything)
            assert max(client.lives for client in self.clients) > 3

    def _all_have(self, count: int, tasks: Sequence[asyncio.Task[None]]) -> bool:
        ended = [task for task in tasks if task.done()]
        return bool(ended) or all(len(client.had) == count for client in self.clients)


@pytest.mark.parametrize("seed", [1, 2])
async def test_on_sqlite_with_two_processes_writing(tmp_path: Path, seed: int) -> None:
    url = new_database(tmp_path / "lastseen.db")
    nodes: list[Any] = [open_store(url, migrate="check") for _ in range(2)]
    lives = Lives(nodes, seed)

    async def step(number: int) -> None:
        await lives.fleet.step()

    await lives.run(step)


@pytest.mark.parametrize("seed", [1, 2])
async def test_on_postgresql_with_two_nodes_and_transactions_that_commit_late_or_never(
    postgres_server: PostgresServer, seed: int
) -> None:
    async with on_stage(postgres_server) as stage:
        late = Late(stage, seed)
        await late.lives.run(late.step)
        assert late.passed, "somebody committed after others who began later"


class Late:
    """Steps in which some transactions are held open while others go on."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage, self._random = stage, random.Random(seed)
        self.lives = Lives(stage.nodes, seed)
        self._held: list[tuple[Pause, asyncio.Task[Any], int]] = []
        self.passed = 0

    async def step(self, number: int) -> None:
        does = self._random.random()
        if does < 0.3 and len(self._held) < HELD_AT_ONCE and number < STEPS - 1:
            store = self._random.choice(self._stage.nodes)
            settling = self.lives.fleet.settling(store)
            self._held.append((*await self._stage.before_commit(store, "write_beside", settling), number))
        elif does < 0.5 and self._held:
            await self._let_go(self._random.randrange(len(self._held)), number)
        elif does < 0.6:
            self._roll_back()
        else:
            await self.lives.fleet.step()
        while number == STEPS - 1 and self._held:
            await self._let_go(0, number)

    async def _let_go(self, which: int, number: int) -> None:
        pause, task, since = self._held.pop(which)
        pause.go()
        self.passed += bool(await task) and number > since + 1

    def _roll_back(self) -> None:
        """Ids that nobody will ever have."""
        self._stage.rows("SELECT nextval(pg_get_serial_sequence('events', 'id'))")
