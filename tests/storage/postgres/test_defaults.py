"""What somebody has set for the whole database changes nothing here, nor does what the server would not take."""

from __future__ import annotations

import pytest

from lastseen.errors import UnknownMachine
from lastseen.model import Beat, Watch
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online, standing
from tests.servers.postgres import PostgresServer
from tests.storage.postgres.stage import Stage, node

SET = (
    "DateStyle = 'SQL, DMY'",
    "IntervalStyle = 'postgres_verbose'",
    "TimeZone = 'Asia/Kathmandu'",
    "client_encoding = 'LATIN1'",
    "default_transaction_isolation = 'serializable'",
    "standard_conforming_strings = off",
)


async def test_settings_of_the_database_are_not_ours(postgres_server: PostgresServer) -> None:
    url = postgres_server.migrated()
    for line in SET:
        postgres_server.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET {line}")
    store = node(url)
    await store.open()
    try:
        await online(store, "pump")
        await store.order("pump", Watch({"name": "ポンプ \\ '"}), by_rule(), at(1))
        await store.record([Beat("pump", at(1.000001), body='{"message":"温度"}')], at(2))
        row = await standing(store, "pump")
        assert (row.machine.name, row.liveness.last_seen) == ("ポンプ \\ '", at(1.000001))
        for way in (store.database.record, store.database.write, store.database.write_beside):
            found = await way(lambda c: c.exec_driver_sql("SHOW transaction_isolation").scalar())
            assert found == "read committed"
    finally:
        await store.close()


@pytest.mark.parametrize("nobody", [2**31, 10**30, -1, "a\0b", "\ud800"])
async def test_the_past_of_a_machine_that_cannot_be_is_asked_for_like_that_of_any_unknown_one(
    stage: Stage, nobody: int | str
) -> None:
    with pytest.raises(UnknownMachine):
        await stage.nodes[0].events(nobody)
