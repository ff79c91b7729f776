"""A database from before there were people: what was there goes on, and an older program beside it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from alembic import command

from lastseen.protocols import Service
from lastseen.storage import open_store, upgrade
from lastseen.storage.postgres import PostgresDatabase, dsn, engine
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql import SqlStore
from tests.servers.postgres import PostgresServer
from tests.storage.test_suite_postgres import KEY

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE = "0005"
KEY_ROW = (
    "INSERT INTO machine_api_keys (digest, hint, scope, label, defaults, created_at) "
    "VALUES ('{}', 'lsa_', 'api', 'grafana', '{{}}', '2026-02-01 12:00:00.000000')"
)
USER_ROW = "INSERT INTO users (name, role, created_at) VALUES ('Eva', 'admin', '2026-02-01 12:00:00.000000')"


async def as_it_goes_on(store: SqlStore, *keys: str) -> None:
    """Keys of before may read, and are nobody's; a user of before is called as they were, whatever the case."""
    for digest in keys:
        match = await store.find_key(digest, NOW)
        assert match is not None
        assert (match.key.may, match.key.user_id, match.user, match.key.last_used_at) == ("read", None, None, None)
    found = await store.user("EVA")
    assert found is not None
    assert (found[0].name, found[0].role, found[0].has_password, found[1]) == ("Eva", "admin", False, None)


async def test_a_file_from_before_has_its_keys_and_they_read(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    upgrade.upgrade(path, revision=BEFORE)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(KEY_ROW.format("d1"))
        raw.execute(USER_ROW)
        raw.commit()
    upgrade.upgrade(path)
    store = open_store(f"sqlite:///{path}")
    assert isinstance(store, SqlStore)
    assert isinstance(store, Service)
    await store.open()
    try:
        await as_it_goes_on(store, "d1")
    finally:
        await store.close()


async def test_on_a_server_an_older_program_goes_on_making_keys(postgres_server: PostgresServer) -> None:
    url = postgres_server.url(postgres_server.database())
    config = upgrade.alembic_config(None)
    opened = engine(dsn(url))
    with opened.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
    opened.dispose()
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute(KEY_ROW.format("d1").encode())
        raw.execute(USER_ROW.encode())
        assert upgrade.upgrade(url).before == BEFORE
        raw.execute(KEY_ROW.format("d2").encode())
        assert raw.execute("SELECT value FROM meta WHERE key = 'schema_compat'").fetchall() == [("1",)]
    store = SqlStore(PostgresDatabase(url, "check"), SecretBox(key_text=KEY))
    await store.open()
    try:
        await as_it_goes_on(store, "d1", "d2")
    finally:
        await store.close()


def test_going_back_takes_keys_of_people_along(tmp_path: Path) -> None:
    """Without what says whose they are they would be anybody's."""
    path = tmp_path / "store.db"
    upgrade.upgrade(path)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(KEY_ROW.format("d1"))
        raw.execute(USER_ROW.replace("(name,", "(folded, name,").replace("('Eva',", "('eva', 'Eva',"))
        raw.execute(KEY_ROW.format("d2"))
        raw.execute("UPDATE machine_api_keys SET user_id = 1 WHERE digest = 'd2'")
        raw.commit()
    with upgrade._engine_connection(path) as connection, connection.begin():
        config = upgrade.alembic_config(None)
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE)
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT digest FROM machine_api_keys").fetchall() == [("d1",)]
        assert raw.execute("SELECT name FROM users").fetchall() == [("Eva",)]
