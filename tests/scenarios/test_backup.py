"""Backups of a server that goes on, restored elsewhere; killed at every step; on a disk that is full."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from lastseen.storage import upgrade
from tests.cli.conftest import Cli
from tests.disk import fill as fill_disk
from tests.disk import small_disk
from tests.scenarios.harness import Server, all_beat, fleet, rows, server
from tests.standins.webhook import WebhookReceiver
from tests.stopped import killed_at
from tests.storage.schema_rows import fill, rows_of
from tests.support import eventually


def full(folder: Path) -> Path:
    """A database with a row in every table."""
    database = folder / "lastseen.db"
    upgrade.upgrade(database)
    with closing(sqlite3.connect(database)) as raw:
        fill(raw)
    return database


def state(database: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(database)) as raw:
        assert raw.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        return rows_of(raw)


# --- a server that goes on --------------------------------------------------------------------------------------------


async def test_a_backup_of_a_busy_server_runs_elsewhere_and_nobody_is_blamed(tmp_path: Path) -> None:
    folder, elsewhere, file = tmp_path / "here", tmp_path / "elsewhere", tmp_path / "saved.zip"
    folder.mkdir()
    keys = await fleet(folder, 40)
    async with WebhookReceiver() as receiver, server(folder, MACHINE_OFFLINE_THRESHOLD="20s") as serve:
        added = await serve.cli("channels", "add", "webhook", "--name", "ops", "--url", receiver.url)
        receiver.secret(added["secret"])
        await serve.start()
        await all_beat(serve, keys)
        async with anyio.create_task_group() as group:
            group.start_soon(_beat_for_ever, serve, keys)
            about = await serve.cli("backup", str(file))
            group.cancel_scope.cancel()
        assert about["rows"]["liveness"] == 40
        before = rows(folder, "SELECT machine_id, last_seen FROM liveness ORDER BY 1")
    async with server(elsewhere, MACHINE_OFFLINE_THRESHOLD="20s") as serve:
        await serve.cli("restore", str(file))
        kept = rows(elsewhere, "SELECT machine_id, last_seen FROM liveness ORDER BY 1")
        assert len(kept) == 40
        assert all(old <= new for (_, old), (_, new) in zip(kept, before, strict=True))
        with closing(sqlite3.connect(elsewhere / "lastseen.db")) as raw:  # as if it had lain on a shelf for a day
            _older_by_a_day(raw)
        await serve.start()
        await eventually(lambda: rows(elsewhere, "SELECT 1 FROM blind_periods WHERE reason = 'stopped'"))
        await all_beat(serve, keys)
        looked = rows(elsewhere, "SELECT count(*) FROM liveness WHERE check_at > '2026'")
        assert looked == [(40,)]
        assert rows(elsewhere, "SELECT count(*) FROM outages") == [(0,)]
        assert {row["status"] for row in await serve.cli("machines", "list")} == {"online"}


async def _beat_for_ever(serve: Server, keys: dict[str, str]) -> None:
    while True:
        for key in keys.values():
            assert await serve.beat(key) == 204


def _older_by_a_day(raw: sqlite3.Connection) -> None:
    day = "strftime('%Y-%m-%d %H:%M:%f000', {0}, '-1 day')"
    for table, columns in {
        "liveness": ("last_seen", "check_at", "status_since", "watch_from"),
        "source_listeners": ("heard_until", "alive_at", "listening_since"),
    }.items():
        for column in columns:
            raw.execute(f"UPDATE {table} SET {column} = {day.format(column)} WHERE {column} IS NOT NULL")
    raw.commit()


# --- killed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        "lastseen.storage.tables_io:read_rows:0",
        "lastseen.storage.tables_io:read_rows:12",
        "lastseen.storage.archive:_sum:0",
        "lastseen.storage.backup:_give_name:0",
        "lastseen.storage.backup:sync_folder:0",
    ],
)
def test_a_backup_that_is_killed_is_none_or_whole_and_can_be_made_again(tmp_path: Path, step: str) -> None:
    folder, file = tmp_path / "data", tmp_path / "saved.zip"
    database = full(folder)
    before = state(database)
    killed_at(step, tmp_path, Cli(folder), "backup", str(file))
    if file.exists():
        assert "sync_folder" in step
        assert Cli(folder)("restore", str(file), "--check").code == 0
        file.unlink()
    assert state(database) == before
    done = Cli(folder)("backup", str(file))
    assert done.code == 0, done.err
    assert Cli(folder)("restore", str(file), "--check").code == 0
    assert sorted(path.name for path in tmp_path.glob("saved*")) == ["saved.zip"]


@pytest.mark.parametrize(
    "step",
    [
        "lastseen.storage.restore:_fill:0",
        "lastseen.storage.filling:_verify:3",
        "lastseen.storage.tables_io:clear:0",
        "lastseen.storage.tables_io:set_counters:0",
        "lastseen.storage.restore:come_back:0",
        "lastseen.storage.restore:put_keys:0",
        "lastseen.storage.restore:_take_place:0",
        "lastseen.storage.restore:sync_folder:0",
    ],
)
def test_a_restore_that_is_killed_leaves_the_old_database_or_the_new_one(tmp_path: Path, step: str) -> None:
    folder, other, file = tmp_path / "data", tmp_path / "other", tmp_path / "saved.zip"
    database = full(folder)
    before = state(database)
    full(other)
    with closing(sqlite3.connect(other / "lastseen.db")) as raw:
        raw.execute("UPDATE machines SET slug = 'restored'")
        raw.commit()
    assert Cli(other)("backup", str(file)).code == 0
    killed_at(step, tmp_path, Cli(folder), "restore", str(file), "--replace")
    if "sync_folder" in step:
        assert state(database)["machines"] != before["machines"]
    else:
        assert state(database) == before
    done = Cli(folder)("restore", str(file), "--replace")
    assert done.code == 0, done.err
    assert Cli(folder)("machines", "show", "restored").code == 0
    assert not list(folder.glob("*.restoring*"))


# --- no room ----------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_no_half_a_backup_and_changes_nothing(tmp_path: Path) -> None:
    folder, file = tmp_path / "data", tmp_path / "saved.zip"
    before = state(full(folder))
    assert Cli(folder)("backup", str(file)).code == 0
    with small_disk(tmp_path / "disk", "1m") as disk:
        fill_disk(disk / "ballast")
        done = Cli(folder)("backup", str(disk / "saved.zip"))
        assert (done.code, "No space left" in done.err) == (1, True), done.err
        assert [path.name for path in disk.iterdir()] == ["ballast"]
        (disk / "ballast").unlink()
        target = disk / "data"
        target.mkdir()
        with (disk / "ballast").open("wb") as ballast:
            ballast.write(b"x" * 900_000)
        done = Cli(target)("restore", str(file))
        assert done.code == 1
        assert "full" in done.err or "No space left" in done.err, done.err
        assert {path.name for path in target.iterdir()} <= {"lastseen.db.serve.lock"}
    assert state(folder / "lastseen.db") == before
