"""What somebody has set for the whole database or its user changes nothing here."""

from __future__ import annotations

from lastseen.model import Beat, Watch
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online, standing
from tests.servers.postgres import PostgresServer
from tests.storage.postgres.stage import node

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
