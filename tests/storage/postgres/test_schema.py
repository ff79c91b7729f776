"""The tables as PostgreSQL has them: made once by whoever comes first, as the program describes them, and as strict."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Boolean, inspect

from lastseen.errors import ConfigurationError, DatabaseOutdated, DatabaseTooNew, StoreUnavailable
from lastseen.storage import postgres, tables
from lastseen.storage.postgres import engine, open_postgres
from lastseen.storage.schema import SCHEMA
from lastseen.storage.upgrade import Upgraded
from lastseen.storage.upgrade_postgres import UPGRADING, check, current, upgrade
from lastseen.testing.script import at
from tests.servers.postgres import PostgresServer
from tests.storage.postgres.stage import PATIENCE, Stage
from tests.storage.schema_rows import BAD, EVERY_TABLE, GOOD
from tests.storage.test_migrations import HEAD
from tests.support import eventually

NEXT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "next", "HEAD", None, None
def upgrade():
    op.add_column("machines", sa.Column("colour", sa.Text(), nullable=True))
    op.execute("UPDATE meta SET value = 'COMPAT' WHERE key = 'schema_compat'")
""".replace("HEAD", HEAD)
LONG = """
SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE d.datname = current_database() AND NOT granted AND clock_timestamp() - waitstart > interval '50 ms'
"""
"""Somebody has waited for a lock fifty times as long as others would."""

BROKEN = f"{NEXT}    raise OSError('x')\n"


def newer(folder: Path, compat: int = SCHEMA, text: str = NEXT) -> str:
    """Where the migrations of a newer program are. It lets programs of the schema `compat` go on."""
    (folder / "next.py").write_text(text.replace("COMPAT", str(compat)))
    return str(folder)


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.migrated()


@pytest.fixture
def empty(postgres_server: PostgresServer) -> str:
    return postgres_server.url(postgres_server.database())


def test_of_three_processes_one_migrates_and_the_others_wait(empty: str) -> None:
    code = f"from lastseen.storage import upgrade_postgres as u; print(u.upgrade({empty!r}).before)"
    racing = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=240) for process in racing]
    assert [error for _, error in answers] == ["", "", ""]
    assert sorted(out.strip() for out, _ in answers) == [HEAD, HEAD, "None"]


async def test_who_waits_for_a_migration_waits_as_long_as_it_takes(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "SETTINGS", {**postgres.SETTINGS, "lock_timeout": "1ms"})
    patient = "assert op.get_bind().exec_driver_sql('SHOW statement_timeout').scalar() == '0'"
    slow = newer(tmp_path, text=f"{NEXT}    {patient}\n")
    with psycopg.connect(stage.url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [UPGRADING])
        waiting = stage.start(asyncio.to_thread(upgrade, stage.url, slow))
        await stage.waits(on="rules")
        await eventually(lambda: stage.rows(LONG), timeout=PATIENCE)
    assert (await waiting).after == "next"


def test_the_tables_are_as_the_program_describes_them(url: str) -> None:
    opened = engine(url)
    with opened.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []
        found = inspect(connection)
        assert sorted(found.get_table_names()) == sorted([*EVERY_TABLE, "alembic_version"])
        wanted = {str(c.name) for t in tables.metadata.tables.values() for c in t.constraints if str(c.name) in BAD}
        assert {c["name"] for t in EVERY_TABLE for c in found.get_check_constraints(t)} == wanted == set(BAD)
    opened.dispose()


def test_ids_that_count_what_happened_are_wide(url: str) -> None:
    with psycopg.connect(url) as connection:
        narrow = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE data_type = 'integer' "
            "AND table_name IN ('events', 'notifications', 'outages', 'reports', 'runs', 'delivery_attempts', "
            "'delivery_attempt_items') AND column_name IN ('id', 'event_id', 'incident_id', 'attempt_id', "
            "'notification_id', 'opened_by', 'closed_by')"
        ).fetchall()
        sequences = connection.execute(
            "SELECT sequencename FROM pg_sequences WHERE data_type = 'integer'::regtype AND sequencename ~ '^(events|"
            "notifications|outages|reports|runs|delivery_attempts)_id'"
        ).fetchall()
    assert (narrow, sequences) == ([], [])


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_server.migrated(), autocommit=True) as connection:
        for table, values in GOOD.items():
            put(connection, table, values)
        yield connection


def put(connection: psycopg.Connection, table: str, values: dict[str, object]) -> None:
    columns = tables.metadata.tables[table].c
    given = [bool(value) if isinstance(columns[name].type, Boolean) else value for name, value in values.items()]
    marks = ", ".join(["%s"] * len(values))
    connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})".encode(), given)


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_check_refuses(filled: psycopg.Connection, name: str) -> None:
    table, wrong = BAD[name]
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        put(filled, table, {**GOOD.get(table, {}), **wrong})
    assert caught.value.diag.constraint_name == name


# --- older and newer programs -----------------------------------------------------------------------------------------


def test_a_new_database_is_made_once(empty: str) -> None:
    assert current(empty) is None
    with pytest.raises(DatabaseOutdated, match="has schema none"):
        check(empty)
    assert upgrade(empty) == Upgraded(None, HEAD)
    assert upgrade(empty) == Upgraded(HEAD, HEAD)
    assert (current(empty), check(empty)) == (HEAD, HEAD)


async def test_a_store_that_only_checks_makes_nothing(empty: str) -> None:
    with pytest.raises(DatabaseOutdated, match="lastseen db upgrade"):
        await open_postgres(empty, migrate="check").open()
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


async def test_an_older_program_goes_on_while_a_newer_one_has_upgraded(stage: Stage, tmp_path: Path) -> None:
    one, _ = stage.nodes
    assert upgrade(stage.url, newer(tmp_path)).after == "next"
    await one.code_channel("ops", "ops", at(0))
    assert check(stage.url) == "next"
    assert upgrade(stage.url) == Upgraded("next", "next")
    late = open_postgres(stage.url)
    await late.open()
    assert [channel.name for channel in await late.channels()] == ["ops"]
    await late.close()


async def test_a_newer_program_s_database_is_refused_where_that_says_so(url: str, tmp_path: Path) -> None:
    upgrade(url, newer(tmp_path, SCHEMA + 1))
    for refused in (upgrade, check):
        with pytest.raises(DatabaseTooNew, match="newer lastseen"):
            refused(url)
    with pytest.raises(DatabaseTooNew):
        await open_postgres(url).open()


def test_an_upgrade_that_fails_half_way_changes_nothing(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        upgrade(url, newer(tmp_path, text=BROKEN))
    assert current(url) == HEAD
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_attribute WHERE attname = 'colour'").fetchone() == (0,)
    assert check(url) == HEAD


def test_a_database_of_another_program_is_refused_and_left_alone(empty: str) -> None:
    with psycopg.connect(empty) as theirs:
        theirs.execute("CREATE TABLE alembic_version (version_num TEXT)")
        theirs.execute("INSERT INTO alembic_version VALUES ('ab12')")
    for refused in (upgrade, check):
        with pytest.raises(ConfigurationError, match="another program's"):
            refused(empty)
    with psycopg.connect(empty) as theirs:
        tables_there = theirs.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables_there == [("alembic_version",)]
