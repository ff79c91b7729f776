"""The database is made and upgraded under a lock, with a copy first, and nothing is lost in between."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from lastseen.errors import ConfigurationError, DatabaseOutdated, DatabaseTooNew, MissingDatabase, StoreUnavailable
from lastseen.storage import open_store, schema, tables, upgrade
from lastseen.storage.sqlite import sqlite_path
from tests import quick
from tests.storage.schema_rows import EVERY_TABLE, fill, rows_of

HEAD = "0007"
REBUILD = '''
"""Rebuilds tables that others refer to."""
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "next", "HEAD", None, None
def upgrade():
    for table in ("machines", "events", "channels", "notifications"):
        with op.batch_alter_table(table, recreate="always") as batch:
            batch.add_column(sa.Column("extra", sa.Text(), nullable=True))
def downgrade():
    pass
'''.replace("HEAD", HEAD)
ORPHANS = REBUILD.replace("def upgrade():", "def upgrade():\n    op.execute('DELETE FROM machines')\n    return")
BROKEN = REBUILD.replace(
    "def upgrade():", "def upgrade():\n    op.execute('DELETE FROM liveness')\n    raise OSError('x')"
)


def schema_of(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """By name, the lines of each statement, as a rebuilt table would spell them; constraints may stand in any order."""
    query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    found = {
        name: sorted(
            re.sub(r"DEFAULT \((.*?)\)", r"DEFAULT \1", line.strip(" ,\t").replace('"', ""))
            for line in sql.splitlines()
        )
        for name, sql in connection.execute(query)
    }
    found.pop("alembic_version", None)
    return found


def columns_of(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return [row for table in EVERY_TABLE for row in connection.execute(f"PRAGMA table_info({table})")]


@pytest.fixture(autouse=True)
def _for_real() -> Iterator[None]:
    with quick.all_migrations():
        yield


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    upgrade.upgrade(path)
    return path


def versions(folder: Path, text: str) -> str:
    folder = folder / "versions"
    folder.mkdir(exist_ok=True)
    (folder / "next_rebuild.py").write_text(text)
    return str(folder)


def test_the_tables_equal_the_migrated_schema(database: Path, tmp_path: Path) -> None:
    other = tmp_path / "by-hand.db"
    engine = create_engine(f"sqlite:///{other}")
    tables.metadata.create_all(engine)
    engine.dispose()
    with closing(sqlite3.connect(database)) as migrated, closing(sqlite3.connect(other)) as made:
        assert schema_of(migrated) == schema_of(made)
        assert columns_of(migrated) == columns_of(made)
        assert len(schema_of(migrated)) > 40


def test_every_constraint_and_index_has_a_name_that_says_what_it_is() -> None:
    for table in tables.metadata.tables.values():
        for constraint in table.constraints:
            assert str(constraint.name).split("_")[0] in ("pk", "fk", "uq", "ck"), (table.name, constraint)
        for index in table.indexes:
            assert str(index.name).startswith(table.name), index.name


def test_a_new_database_has_its_first_rows_and_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.db"
    done = upgrade.upgrade(f"sqlite:///{path}")
    assert (done.before, done.after, done.copy) == (None, HEAD, None)
    assert [p.name for p in path.parent.iterdir() if p.suffix == ".bak"] == []
    assert path.stat().st_mode & 0o077 == 0, "only its owner may read it"
    with closing(sqlite3.connect(path)) as connection:
        kinds = [row[0] for row in connection.execute("SELECT name FROM kinds ORDER BY rowid")]
        assert kinds == ["default", "server", "device", "job"]
        assert connection.execute("SELECT id, name FROM sources").fetchall() == [(0, "http")]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert upgrade.upgrade(path) == upgrade.Upgraded(HEAD, HEAD, None)
    assert (upgrade.current(path), upgrade.check(path)) == (HEAD, HEAD)


def test_of_three_processes_one_migrates_and_the_others_wait(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    code = f"from lastseen.storage import upgrade; print(upgrade.upgrade({str(path)!r} and 'sqlite:///{path}').before)"
    racing = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=120) for process in racing]
    assert [error for _, error in answers] == ["", "", ""]
    assert sorted(out.strip() for out, _ in answers) == [HEAD, HEAD, "None"]


def test_rebuilding_a_table_keeps_the_rows_of_all_its_children(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        fill(connection)
        before = rows_of(connection)
    assert set(before) == set(EVERY_TABLE)
    assert all(before.values()), "a row in every table"
    done = upgrade.upgrade(database, versions(tmp_path, REBUILD))
    assert (done.before, done.after) == (HEAD, "next")
    with closing(sqlite3.connect(database)) as connection:
        assert {table: len(rows) for table, rows in rows_of(connection).items()} == {
            t: len(r) for t, r in before.items()
        }
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            connection.execute("UPDATE notifications SET state = 'nonsense'")
    assert done.copy is not None
    assert done.copy.name.startswith(f"store.db.{HEAD}-")
    with closing(sqlite3.connect(done.copy)) as copy:
        assert rows_of(copy) == before, "the copy is what was there before"


def test_an_upgrade_that_would_leave_orphans_changes_nothing(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        fill(connection)
        before = rows_of(connection)
    with pytest.raises(StoreUnavailable, match="refer to nothing"):
        upgrade.upgrade(database, versions(tmp_path, ORPHANS))
    with closing(sqlite3.connect(database)) as connection:
        assert rows_of(connection) == before
    assert upgrade.current(database) == HEAD


def test_an_upgrade_that_fails_half_way_changes_nothing(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        fill(connection)
        before = rows_of(connection)
    with pytest.raises(StoreUnavailable):
        upgrade.upgrade(database, versions(tmp_path, BROKEN))
    with closing(sqlite3.connect(database)) as connection:
        assert rows_of(connection) == before


def test_going_back_to_before_the_first_schema_leaves_nothing(database: Path) -> None:
    from alembic import command

    with upgrade._engine_connection(database) as connection, connection.begin():
        config = upgrade.alembic_config(None)
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with closing(sqlite3.connect(database)) as connection:
        assert schema_of(connection) == {}


async def test_a_database_of_a_newer_program_is_refused(database: Path, tmp_path: Path) -> None:
    upgrade.upgrade(database, versions(tmp_path, REBUILD))
    for refused in (upgrade.upgrade, upgrade.check):
        with pytest.raises(DatabaseTooNew, match="newer lastseen"):
            refused(database)
    with pytest.raises(DatabaseTooNew):
        await open_store(f"sqlite:///{database}").open()  # type: ignore[attr-defined]


def test_a_database_that_asks_for_a_newer_program_is_refused(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'schema_compat'")
        connection.commit()
    for refused in (upgrade.upgrade, upgrade.check):
        with pytest.raises(DatabaseTooNew, match="schema 2 or newer"):
            refused(database)


async def test_looking_never_makes_or_changes_a_database(tmp_path: Path, database: Path) -> None:
    missing = tmp_path / "none.db"
    with pytest.raises(MissingDatabase):
        upgrade.check(missing)
    with pytest.raises(MissingDatabase):
        await open_store(f"sqlite:///{missing}", migrate="check").open()  # type: ignore[attr-defined]
    assert not missing.exists()
    with pytest.raises(DatabaseOutdated, match="db upgrade"):
        upgrade.check(database, versions(tmp_path, REBUILD))


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, " * 100)
    with pytest.raises(StoreUnavailable):
        upgrade.upgrade(path)
    assert path.read_text() == "these are my notes, " * 100


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        upgrade.upgrade(tmp_path / "file" / "store.db")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///rel/a.db", "rel/a.db"),
        ("sqlite:a.db", "a.db"),
        ("sqlite:////var/a.db", "/var/a.db"),
        ("sqlite:/var/a.db", "/var/a.db"),
    ],
)
def test_urls_name_files(url: str, path: str) -> None:
    assert sqlite_path(url) == Path(path)


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://host/a.db", "sqlite:///:memory:", "sqlite:///a.db?mode=ro"])
def test_urls_that_name_no_file_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///"):
        open_store(url)


def test_a_store_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no store 'mysql'; installed are: memory, postgres") as caught:
        open_store("mysql://me:s3cret@localhost/x")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="did you mean 'sqlite'"):
        open_store("sqlit:///x.db")


@pytest.mark.parametrize("revision", ["ab12cd34ef56", "0001", HEAD])
def test_a_file_that_another_program_keeps_with_alembic_is_refused_and_left_alone(
    tmp_path: Path, revision: str
) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE alembic_version (version_num TEXT)")
        theirs.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        theirs.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
        theirs.commit()
        before = list(theirs.iterdump())
    for act in (upgrade.upgrade, upgrade.check):
        with pytest.raises(ConfigurationError, match="another program's"):
            act(path)
    with closing(sqlite3.connect(path)) as theirs:
        assert list(theirs.iterdump()) == before


def test_the_newest_revision_is_known_without_alembic() -> None:
    assert schema.newest() == upgrade.head() == HEAD


def test_a_database_that_is_as_it_should_be_is_opened_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'lastseen.db'}"
    upgrade.upgrade(tmp_path / "lastseen.db")
    code = f"""
import anyio, sys
from lastseen.storage import open_store
async def main():
    for migrate in ("auto", "check"):
        store = open_store({url!r}, migrate=migrate)
        await store.open()
        await store.close()
anyio.run(main)
print("alembic" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_a_database_that_asks_for_a_newer_program_is_not_opened_whatever_its_revision(tmp_path: Path) -> None:
    path = tmp_path / "lastseen.db"
    upgrade.upgrade(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('schema_compat', '2')")
    for migrate in ("auto", "check"):
        store: Any = open_store(f"sqlite:///{path}", migrate=migrate)
        with pytest.raises(DatabaseTooNew, match="schema 2"):
            await store.open()
