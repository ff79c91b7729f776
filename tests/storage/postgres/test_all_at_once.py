"""Three nodes do everything at once at full speed, and then the tables must agree."""

from __future__ import annotations

import asyncio
import os
import random

from tests.servers.postgres import PostgresServer
from tests.storage.audit import audit, in_turn
from tests.storage.postgres.fleet import Fleet
from tests.storage.postgres.stage import on_stage

LIVES = int(os.environ.get("LASTSEEN_TEST_LIVES", "0"))
"""As for the lives of the outbox: 0 is short, and the same each time as far as that can be."""

OPERATIONS = 50 * LIVES or 300
MACHINES = 200 if LIVES else 60
"""Few meet more often; many take long to be made and brought to rest."""
SEED = random.randrange(10**6) if LIVES else 1
CUTS = 25 if LIVES else 6


async def test_the_tables_agree_whatever_was_done_at_once(postgres_server: PostgresServer) -> None:
    async with on_stage(postgres_server, 3) as stage:
        fleet = Fleet(stage, SEED, MACHINES)
        await fleet.begin()
        for _ in range(4):
            await fleet.run(OPERATIONS // 4)
            audit(stage.rows)
        await fleet.come_to_rest()
        audit(stage.rows)
        in_turn(stage.rows)
        assert set(fleet.statuses(fleet.names).values()) == {"online"}, SEED
        assert [uid for uid, times in fleet.kept.items() if times > 1] == [], "no result counts twice"
        assert stage.rows(f"SELECT count(*) > {OPERATIONS // 2} FROM events") == [(True,)], "much happened"
        database = stage.url.rpartition("/")[2]
    found = postgres_server.execute(f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'")
    assert found[0][0] <= OPERATIONS // 100, "each costs a second, though nobody hears of it"


async def test_the_tables_agree_though_connections_are_cut_all_the_time(postgres_server: PostgresServer) -> None:
    async with on_stage(postgres_server, 3) as stage:
        fleet = Fleet(stage, SEED + 1, 60, forgiving=True)
        await fleet.begin()
        step = OPERATIONS // 2 // CUTS
        for _ in range(CUTS):
            running = asyncio.create_task(fleet.run(step))
            half = fleet.done + step // 2
            while fleet.done < half:
                await asyncio.sleep(0)
            stage.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'lastseen'"
            )
            await running
        await fleet.come_to_rest()
        audit(stage.rows)
        in_turn(stage.rows)
        assert set(fleet.statuses(fleet.names).values()) == {"online"}, SEED
        assert fleet.doubts, "some were told that it may have happened or not"
