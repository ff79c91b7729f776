"""The recorder into PostgreSQL: 100,000 machines, the sweep running, fsync; beside bare psycopg and the same rows."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import anyio
import psycopg

from benchmarks.common import Figure, arguments, fsync_ms, machine, report
from benchmarks.postgres_node import record
from lastseen.clock import SystemClock
from lastseen.storage import open_store
from lastseen.storage.upgrade_postgres import upgrade
from tests.servers.postgres import PostgresServer

SERVER = ("shared_buffers=512MB", "max_wal_size=4GB", "checkpoint_timeout=15min", "wal_compression=on")
"""What a server with some gigabytes is given; fsync and synchronous_commit stay on."""

LOOK_EVERY = 0.05
"""Seconds between two sweeps: ten times as many as a node makes."""

_MACHINES = """
INSERT INTO machines (uid, slug, name, created_at)
SELECT gen_random_uuid()::text, 'm' || n, 'm' || n, %s FROM generate_series(1, %s) AS n
"""
_LIVENESS = """
INSERT INTO liveness (machine_id, last_seen, status, status_since, watch_from, check_at, heard, heard_before, event_seq)
SELECT id, %(seen)s, 'online', %(seen)s, %(seen)s, %(due)s, 1, 1, 2 FROM machines
"""
_BARE = """
UPDATE liveness SET last_seen = greatest(last_seen, pulse.at)
FROM unnest(%s::int[], %s::timestamptz[]) AS pulse (id, at) WHERE machine_id = pulse.id
"""


@contextmanager
def fleet(machines: int) -> Iterator[tuple[PostgresServer, str]]:
    """A server, and the URL of a database with so many machines that were just heard."""
    server = PostgresServer(*SERVER)
    try:
        server.start()
        yield server, filled(server, machines)
    finally:
        server.remove()


def filled(server: PostgresServer, machines: int) -> str:
    """The URL of one more such database."""
    url = server.url(server.database())
    upgrade(url)
    now = SystemClock().now()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_MACHINES, (now, machines))
        connection.execute(_LIVENESS, {"seen": now, "due": now + timedelta(days=1)})
        connection.execute("VACUUM ANALYZE")
    return url


async def ours(url: str, ids: list[int], batch: int, seconds: float) -> float:
    """Heartbeats a second that are durable, while settle runs."""
    store = open_store(url, migrate="check")
    await store.open()  # type: ignore[attr-defined]
    cost = await record(store, ids, batch, seconds, LOOK_EVERY)
    await store.close()  # type: ignore[attr-defined]
    return cost.done / cost.wall


def bare(url: str, ids: list[int], batch: int, seconds: float) -> float:
    """The same rows by one UPDATE of two arrays a transaction, and nothing else: no queue, no locks, no sweep."""
    done, at = 0, 0
    with psycopg.connect(url) as connection:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            now: datetime = SystemClock().now()
            chosen = sorted(ids[at : at + batch])
            at = (at + batch) % len(ids)
            connection.execute(_BARE, (chosen, [now] * len(chosen)))
            connection.commit()
            done += len(chosen)
        return done / (time.perf_counter() - began)


def heap_only(server: PostgresServer, url: str) -> float:
    """The part of all updates of liveness that wrote no index."""
    server.execute("SELECT pg_stat_force_next_flush()", url.rpartition("/")[2])
    row = server.execute(
        "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'liveness'", url.rpartition("/")[2]
    )[0]
    return float(row[0] / max(1, row[1]))


def main() -> None:
    short = arguments().short
    machines, rounds, seconds = (2000, 1, 0.5) if short else (100_000, 5, 4.0)
    with fleet(machines) as (server, url):
        ids = list(range(1, machines + 1))
        random.Random(7).shuffle(ids)
        version = server.execute("SHOW server_version")[0][0]
        print(f"{machine()}; PostgreSQL {version}; fdatasync {fsync_ms(server.home):.2f} ms; {machines:,} machines")
        figures = []
        for batch, wanted in ((1000, ">= 60,000/s"), (5000, "")):
            mine, base = [], []
            for _ in range(rounds):
                mine.append(anyio.run(ours, url, ids, batch, seconds))
                base.append(bare(url, ids, batch, seconds))
            figures.append(Figure(f"PostgreSQL recorder, {batch} a batch", "/s", mine, base, "bare psycopg", wanted))
        report(figures)
        print(f"heap-only updates of liveness: {heap_only(server, url):.3f}")


if __name__ == "__main__":
    main()
