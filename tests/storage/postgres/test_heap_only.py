"""A plain heartbeat of a machine that is online touches no index, and leaves nothing that only a vacuum takes away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import psycopg

from lastseen.model import Beat
from lastseen.storage.sql import SqlStore
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online
from tests.servers.postgres import PostgresServer
from tests.storage.postgres.stage import node
from tests.support import until

MACHINES, ROUNDS, WARM_UP, BATCH = 600, 60, 6, 150
_COUNTED = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'liveness'"
_SIZE = "SELECT pg_relation_size('liveness'), pg_indexes_size('liveness')"


async def test_heartbeats_are_heap_only_and_the_table_does_not_grow(postgres_server: PostgresServer) -> None:
    url = postgres_server.migrated()
    with psycopg.connect(url, autocommit=True) as looking:
        looking.execute("ALTER TABLE liveness SET (autovacuum_enabled = off)")
        names = [f"m{number}" for number in range(MACHINES)]
        await on_two_nodes(url, names, range(WARM_UP))
        before, size = counted(looking, MACHINES * WARM_UP), sizes(looking)
        await on_two_nodes(url, names, range(WARM_UP, WARM_UP + ROUNDS))
        after, grown = counted(looking, before[0] + MACHINES * ROUNDS), sizes(looking)
    updates, heap_only = after[0] - before[0], after[1] - before[1]
    assert heap_only / updates >= 0.95
    assert grown[0] <= 1.5 * size[0], "what was is taken away by who writes next, not by a vacuum"
    assert grown[1] <= 1.1 * size[1]


async def on_two_nodes(url: str, names: Sequence[str], seconds: Iterable[int]) -> None:
    """What they count is known to the server when they have gone."""
    nodes = [node(url), node(url)]
    for store in nodes:
        await store.open()
    if not await nodes[0].machines(limit=1):
        await online(nodes[0], *names)
        await nodes[0].settle(by_rule(), at(0), MACHINES)
    for second in seconds:
        batches = enumerate(range(0, MACHINES, BATCH))
        await asyncio.gather(*(heard(nodes[number % 2], names[place:], second) for number, place in batches))
    for store in nodes:
        await store.close()


async def heard(store: SqlStore, names: Sequence[str], second: int) -> None:
    recorded = await store.record([Beat(name, at(second)) for name in names[:BATCH]], at(second))
    assert not recorded.due


def counted(looking: psycopg.Connection, least: int) -> tuple[int, int]:
    """Updates, and those that were heap-only, when at least so many are counted: who goes says it while going."""

    def look() -> tuple[int, int] | None:
        found: tuple[int, int] = looking.execute(_COUNTED).fetchone() or (0, 0)
        return found if found[0] >= least else None

    return until(look, f"{least} updates are counted") or (0, 0)


def sizes(looking: psycopg.Connection) -> tuple[int, int]:
    return looking.execute(_SIZE).fetchone() or (0, 0)
