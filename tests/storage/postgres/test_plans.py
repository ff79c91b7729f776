"""How PostgreSQL reads what a batch asks for: by the machines in it, however many others are in trouble."""

from __future__ import annotations

import psycopg

from benchmarks.bench_postgres import filled
from lastseen.clock import SystemClock
from lastseen.model import Beat
from lastseen.storage import open_store
from tests.servers.postgres import PostgresServer

USES = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'liveness_troubled'"


async def test_a_batch_does_not_read_the_index_of_all_that_is_in_trouble(postgres_server: PostgresServer) -> None:
    url = filled(postgres_server, 3000)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE liveness SET status = 'offline', check_at = NULL WHERE machine_id % 3 = 0")
        before = connection.execute(USES).fetchone()
        store, now = open_store(url, migrate="check"), SystemClock().now()
        await store.open()  # type: ignore[attr-defined]
        recorded = await store.record([Beat(machine, now) for machine in range(1, 1001)], now)
        await store.close()  # type: ignore[attr-defined]
        assert recorded.due, "some of them come back"
        connection.execute("SELECT pg_stat_force_next_flush()")
        assert connection.execute(USES).fetchone() == before
