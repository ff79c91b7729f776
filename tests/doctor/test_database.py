"""The database as a file: damaged, no database at all, of another version, too big."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from lastseen.doctor import Severity
from lastseen.storage import health
from tests.doctor.conftest import Ward

BAD = Severity.BAD


async def test_a_damaged_database_is_found(ward: Ward) -> None:
    await ward.store.close()
    assert ward.site.database is not None
    with closing(sqlite3.connect(ward.site.database)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'machines_slug'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with ward.site.database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    checked = await ward.look("database")
    assert "damaged" in checked.summary or "cannot be read" in checked.summary
    assert checked.findings[0].code == "database.broken"
    assert checked.findings[0].severity is BAD


async def test_a_file_that_is_no_database_is_found(ward: Ward) -> None:
    other = ward.site.folder / "other.db"
    other.write_bytes(b"no database at all" * 1000)
    assert (await ward.only("database", database=other)).code == "database.broken"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "database.outdated"),
        ("UPDATE alembic_version SET version_num = '9999'", "database.too_new"),
    ],
)
async def test_a_database_of_another_version_is_found(ward: Ward, statement: str, code: str) -> None:
    ward.sql(
        statement, "INSERT OR REPLACE INTO meta VALUES ('schema_compat', '99')" if "9999" in statement else "SELECT 1"
    )
    assert (await ward.only("database")).code == code


async def test_a_log_that_grows_and_a_database_too_big_to_read_are_found(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ward.site.database is not None
    real = health.examine_file(ward.site.database)
    assert (real.problems, real.complete, real.journal) == ((), True, "wal")
    monkeypatch.setattr(health, "STEPS", 1)
    assert health.examine_file(ward.site.database, seconds=0).complete is False
    big = health.FileHealth((), False, "delete", 10**9, 10**9)
    monkeypatch.setattr(health, "examine_file", lambda path: big)
    codes = [finding.code for finding in (await ward.look("database")).findings]
    assert codes == ["database.big", "database.journal", "database.log"]
