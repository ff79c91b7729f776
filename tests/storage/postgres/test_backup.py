"""A backup of PostgreSQL is restored into a file: the same rows, whatever holds them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from alembic import command

from lastseen.model import Beat
from lastseen.storage import open_store
from lastseen.storage.postgres import engine
from lastseen.storage.upgrade import alembic_config
from lastseen.testing.script import at
from lastseen.testing.suite_base import offline
from tests.cli.conftest import Cli
from tests.servers.postgres import QUICK, PostgresServer, running


async def _live(url: str) -> None:
    store: Any = open_store(url, migrate="check")
    await store.open()
    try:
        channel = await store.code_channel("ops", "channel:ops", at(0))
        await offline(store, "pump", "well", channels=[channel.uid])
        await store.record([Beat("pump", at(300), body='{"free_memory": 1}')], at(300))
    finally:
        await store.close()


def test_it_is_restored_into_a_file(postgres_server: PostgresServer, tmp_path: Path) -> None:
    url = postgres_server.migrated()
    asyncio.run(_live(url))
    here = Cli(tmp_path / "here", {"LASTSEEN_DATABASE_URL": url})
    here.folder.mkdir()
    made = here.json("backup", str(tmp_path / "saved.zip"))
    assert (made["rows"]["machines"], made["rows"]["notifications"], made["rows"]["latest_reports"]) == (2, 2, 1)
    there = Cli(tmp_path / "there")
    done = there.json("restore", str(tmp_path / "saved.zip"))
    assert done["rows"] == made["rows"]
    assert done["cancelled"] == 2
    shown = {row["slug"]: (row["status"], row["last_seen"]) for row in there.json("machines", "list")}
    assert shown == {row["slug"]: (row["status"], row["last_seen"]) for row in here.json("machines", "list")}
    assert [row["uid"] for row in there.json("events")] == [row["uid"] for row in here.json("events")]


def test_a_standby_is_saved_and_the_primary_need_not_hold_still(tmp_path: Path) -> None:
    with running(*QUICK) as server:
        url = server.migrated()
        asyncio.run(_live(url))
        server.become_standby()
        here = Cli(tmp_path / "here", {"LASTSEEN_DATABASE_URL": url})
        here.folder.mkdir()
        assert here.json("backup", str(tmp_path / "saved.zip"))["rows"]["machines"] == 2
        refused = here("restore", str(tmp_path / "saved.zip"), "--replace")
        assert (refused.code, "read-only" in refused.err or "recovery" in refused.err) == (1, True), refused.err
    there = Cli(tmp_path / "there")
    there.json("restore", str(tmp_path / "saved.zip"))
    assert len(there.json("machines", "list")) == 2


def test_one_that_waits_for_an_upgrade_is_saved_as_it_is(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """Before the upgrade, by the program that will do it: there is no other copy."""
    url = postgres_server.url(postgres_server.database())
    config = alembic_config(None)
    with engine(url).connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
    here = Cli(tmp_path / "here", {"LASTSEEN_DATABASE_URL": url})
    here.folder.mkdir()
    assert here.json("backup", str(tmp_path / "saved.zip"))["revision"] == "0004"
    there = Cli(tmp_path / "there")
    there.json("restore", str(tmp_path / "saved.zip"))
    assert there.json("machines", "list") == []
