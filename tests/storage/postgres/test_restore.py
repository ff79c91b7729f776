"""A backup becomes a database on a server: whole or not at all, with what was there kept, and killed anywhere."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command

from lastseen.storage import copying, filling, upgrade, upgrade_postgres
from lastseen.storage.postgres import engine
from tests.cli.conftest import Cli
from tests.fresh import new_database
from tests.servers.postgres import PostgresServer
from tests.stopped import killed_at
from tests.storage.postgres.test_partitioned import partitioned
from tests.storage.schema_rows import GOOD, fill

MOVED = {"audit_log", "leases", "nodes", "sessions", "link_tokens", "liveness", "delivery_attempts"}
MOVED |= {"notifications", "meta"}
"""Tables in which a restore changes something."""

Contents = dict[str, tuple[int, str]]


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a row in every table and a channel whose secrets are encrypted, and with a backup of that."""
    folder = tmp_path_factory.mktemp("original")
    folder.chmod(0o700)
    new_database(folder / "lastseen.db")
    with closing(sqlite3.connect(folder / "lastseen.db")) as raw:
        fill(raw)
    made = Cli(folder)
    made.json("channels", "add", "webhook", "--name", "ops", "--url", "http://127.0.0.1:9/hook")
    made.json("backup", str(folder / "saved.zip"))
    return folder


@pytest.fixture
def here(original: Path, tmp_path: Path) -> Cli:
    """What was saved, as it was then."""
    return Cli(Path(shutil.copytree(original, tmp_path / "here")))


@pytest.fixture
def saved(original: Path) -> str:
    return str(original / "saved.zip")


def on(url: str, tmp_path: Path) -> Cli:
    (tmp_path / "there").mkdir(0o700, exist_ok=True)
    return Cli(tmp_path / "there", {"LASTSEEN_DATABASE_URL": url})


def contents(url: str) -> Contents:
    with copying._engine(url) as opened, copying._transaction(opened) as connection:
        return {shape.name: copying._sum(connection, shape) for shape in copying.tables_io.shapes(connection)}


def ask(server: PostgresServer, url: str, statement: str) -> list[Any]:
    return list(server.execute(statement, url.rpartition("/")[2]))


def database(server: PostgresServer, state: str) -> str:
    """The URL of an empty one: without tables, with those of this program, with those of an older one, in parts."""
    if state == "migrated":
        return server.migrated()
    if state == "partitioned":
        return partitioned(server)
    url = server.url(server.database())
    if state == "older":
        config = upgrade.alembic_config(None)
        with engine(url).connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, "0004")
    return url


@pytest.mark.parametrize("state", ["new", "migrated", "older", "partitioned"])
def test_every_row_of_every_table_arrives_in_an_empty_one(
    here: Cli, saved: str, postgres_server: PostgresServer, tmp_path: Path, state: str
) -> None:
    url = database(postgres_server, state)
    there = on(url, tmp_path)
    done = there.json("restore", saved)
    assert (done["cancelled"], done["locked"], done["before"]) == (1, 0, None)
    assert done["database"] == f"postgresql://127.0.0.1/{url.rpartition('/')[2]}"
    assert done["schema"] == upgrade.head() == upgrade.check(url)
    before, after = contents(f"sqlite:///{here.folder}/lastseen.db"), contents(url)
    assert {name for name in before if before[name] != after[name]} <= MOVED
    assert [after[table][0] for table in ("nodes", "sessions", "link_tokens")] == [0, 0, 0]
    assert there.json("machines", "list") == here.json("machines", "list")
    assert there.json("channels", "list") == here.json("channels", "list")
    parts = ask(postgres_server, url, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'liveness'::regclass")
    assert parts == [(16 if state == "partitioned" else 0,)]
    assert (tmp_path / "there" / "lastseen.key").stat().st_mode & 0o777 == 0o600


def test_what_waited_is_cancelled_and_no_id_is_used_again(
    saved: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.migrated()
    there = on(url, tmp_path)
    there.json("restore", saved)
    rows = ask(postgres_server, url, "SELECT state, reason, lease_token, finished_at IS NULL FROM notifications")
    assert rows == [("cancelled", "restored", None, False)]
    assert ask(postgres_server, url, "SELECT outcome FROM delivery_attempts") == [("lost",)]
    assert ask(postgres_server, url, "SELECT event_seq >= 1000 FROM liveness") == [(True,)]
    assert ask(postgres_server, url, "SELECT nextval('events_id_seq') > 1000") == [(True,)]
    assert ask(postgres_server, url, "SELECT token FROM leases") == [(GOOD["leases"]["token"],)]
    assert there.json("machines", "add", "next")["id"] == 2


def test_what_is_there_is_kept_in_a_schema_of_its_own_if_it_is_to_be_replaced(
    here: Cli, saved: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = partitioned(postgres_server)
    there = on(url, tmp_path)
    there.json("restore", saved)
    there.json("machines", "add", "later")
    old, key = contents(url), there.folder / "lastseen.key"
    refused = there("restore", saved)
    assert (refused.code, "--replace" in refused.err) == (1, True), refused.err
    assert contents(url) == old
    done = there.json("restore", saved, "--replace")
    assert [row["slug"] for row in there.json("machines", "list")] == ["pump"]
    kept = f"{url}?options=-csearch_path%3D{done['before']}"
    assert contents(kept) == old
    assert upgrade.check(kept) == upgrade.head()
    slugs = [row["slug"] for row in on(kept, tmp_path).json("machines", "list")]
    assert sorted(slugs) == ["later", "pump"]
    assert key.read_text() == (here.folder / "lastseen.db.key").read_text()
    ask(postgres_server, url, f'DROP SCHEMA "{done["before"]}" CASCADE')
    assert there.json("machines", "list") == here.json("machines", "list")


@pytest.mark.parametrize(
    "step",
    [
        "lastseen.storage.tables_io:clear:0",
        "lastseen.storage.filling:_write:9",
        "lastseen.storage.filling:_verify:3",
        "lastseen.storage.restore_postgres:come_back:0",
        "lastseen.storage.restore_postgres:put_keys:0",
    ],
)
@pytest.mark.parametrize("filled", [False, True])
def test_one_that_is_killed_has_changed_nothing_and_can_be_run_again(
    saved: str, postgres_server: PostgresServer, tmp_path: Path, step: str, filled: bool
) -> None:
    url = postgres_server.migrated() if filled else postgres_server.url(postgres_server.database())
    there = on(url, tmp_path)
    if filled:
        there.json("machines", "add", "mine")
    before = contents(url)
    killed_at(step, tmp_path, there, "restore", saved, "--replace")
    assert contents(url) == before
    assert ask(postgres_server, url, "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'lastseen_before%'") == []
    done = there.json("restore", saved, "--replace")
    assert [row["slug"] for row in there.json("machines", "list")] == ["pump"]
    assert (done["before"] is not None) == filled


def test_a_line_that_is_cut_at_the_commit_leaves_the_old_or_the_new_one(
    saved: str, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.migrated()
    there = on(url, tmp_path)

    def cut(connection: Any) -> None:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        postgres_server.execute(f"SELECT pg_terminate_backend({pid}, 10000)")

    with monkeypatch.context() as patch:
        patch.setattr("lastseen.storage.restore_postgres._outdate", cut)
        done = there("restore", saved)
    assert (done.code, "the database" in done.err) == (1, True), done.err
    assert there.json("machines", "list") == []
    there.json("restore", saved)
    assert [row["slug"] for row in there.json("machines", "list")] == ["pump"]


SIGN = "INSERT INTO nodes (id, name, version, started_at, alive_at) VALUES ('a', 'web-1', '1', now(), now())"


def test_nothing_is_restored_under_nodes_that_run(saved: str, postgres_server: PostgresServer, tmp_path: Path) -> None:
    url = postgres_server.migrated()
    ask(postgres_server, url, SIGN)
    before = contents(url)
    done = on(url, tmp_path)("restore", saved, "--replace")
    assert (done.code, "in use by 1 node (web-1): stop it first" in done.err) == (1, True), done.err
    assert contents(url) == before
    ask(postgres_server, url, "UPDATE nodes SET alive_at = now() - interval '31 s'")
    on(url, tmp_path).json("restore", saved)


def test_another_program_that_is_at_work_on_it_is_told_of(
    saved: str, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade_postgres, "PATIENCE", "50ms")
    url = postgres_server.migrated()
    with psycopg.connect(url) as other:
        other.execute("SELECT 1 FROM machines")
        done = on(url, tmp_path)("restore", saved)
        assert (done.code, "another program is at work" in done.err) == (1, True), done.err
        other.rollback()
        other.execute(f"SELECT pg_advisory_xact_lock({upgrade_postgres.UPGRADING})")
        done = on(url, tmp_path)("restore", saved)
        assert (done.code, "another process restores or upgrades" in done.err) == (1, True), done.err
    on(url, tmp_path).json("restore", saved)


@pytest.mark.parametrize(
    ("meddle", "words"),
    [
        ("DROP TABLE alembic_version", "another program's"),
        ("UPDATE alembic_version SET version_num = '9999'", "a newer lastseen"),
    ],
)
def test_what_this_program_did_not_make_is_left_alone(
    saved: str, postgres_server: PostgresServer, tmp_path: Path, meddle: str, words: str
) -> None:
    url = postgres_server.migrated()
    ask(postgres_server, url, meddle)
    before = contents(url)
    done = on(url, tmp_path)("restore", saved, "--replace")
    assert (done.code, words in done.err) == (1, True), done.err
    assert contents(url) == before


def test_tables_of_other_programs_beside_ours_stay(saved: str, postgres_server: PostgresServer, tmp_path: Path) -> None:
    url = postgres_server.migrated()
    ask(postgres_server, url, "CREATE TABLE theirs (word TEXT)")
    there = on(url, tmp_path)
    there.json("machines", "add", "mine")
    there.json("restore", saved, "--replace")
    assert ask(postgres_server, url, "SELECT count(*) FROM theirs") == [(0,)]


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004"])
def test_one_of_an_older_schema_is_brought_up_to_date(
    postgres_server: PostgresServer, tmp_path: Path, revision: str
) -> None:
    old = Cli(tmp_path / "old")
    old.folder.mkdir()
    upgrade.upgrade(old.folder / "lastseen.db", revision=revision)
    with closing(sqlite3.connect(old.folder / "lastseen.db")) as raw:
        raw.execute("INSERT INTO users (id, name, role, created_at) VALUES (7, 'eva', 'admin', '2026-03-01 12:00:00')")
        raw.commit()
    old.json("backup", str(tmp_path / "old.zip"))
    url = postgres_server.migrated()
    done = on(url, tmp_path).json("restore", str(tmp_path / "old.zip"))
    assert (done["revision"], done["schema"]) == (revision, upgrade.head())
    assert ask(postgres_server, url, "SELECT id, name FROM users") == [(7, "eva")]
    assert ask(postgres_server, url, "SELECT nextval('users_id_seq')") == [(8,)]


def test_rows_that_are_not_those_of_the_file_are_found_and_nothing_is_changed(
    saved: str, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.migrated()
    before = contents(url)
    real = filling._verify

    def meddle(connection: Any, shape: Any, written: Any) -> None:
        connection.exec_driver_sql("UPDATE machines SET name = 'another'")
        real(connection, shape, written)

    monkeypatch.setattr(filling, "_verify", meddle)
    done = on(url, tmp_path)("restore", saved)
    assert (done.code, "what was written of machines is not what is there" in done.err) == (1, True), done.err
    assert contents(url) == before


def test_keys_that_are_given_need_no_file(
    here: Cli, saved: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    there = on(postgres_server.migrated(), tmp_path)
    there.env["LASTSEEN_SECRET_KEY"] = (here.folder / "lastseen.db.key").read_text().strip()
    assert there.json("restore", saved)["locked"] == 0
    assert not (there.folder / "lastseen.key").exists()


def test_what_a_node_believed_before_is_believed_no_more(
    saved: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """One that was stopped for longer than it is waited for, and goes on afterwards."""
    url = postgres_server.migrated()
    there = on(url, tmp_path)
    there.json("restore", saved)
    known = "SELECT key, value FROM meta WHERE key IN ('keys_version', 'slugs_version')"
    before = dict(ask(postgres_server, url, known))
    there.json("restore", saved, "--replace")
    after = dict(ask(postgres_server, url, known))
    assert before.keys() == after.keys()
    assert all(int(after[key]) != int(before[key]) for key in before)
