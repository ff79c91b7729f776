"""`lastseen backup` and `lastseen restore`: what is in the file, what is refused, and that nothing is changed then."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from lastseen.storage import archive, schema, upgrade
from tests.cli.conftest import Cli
from tests.storage.schema_rows import GOOD, fill, rows_of

URL = "http://127.0.0.1:9/hook"
HOUR_AGO, NOW = "2026-03-01 12:00:00.000000", "2026-03-01 13:00:00.000000"


@pytest.fixture
def saved(cli: Cli, tmp_path: Path) -> Path:
    """A backup of a database with a machine and a channel."""
    cli.json("machines", "add", "db-01", "--tag", "berlin")
    cli.json("channels", "add", "webhook", "--name", "ops", "--url", URL)
    file = tmp_path / "saved.zip"
    done = cli("backup", str(file))
    assert done.code == 0, done.err
    return file


def other(tmp_path: Path, name: str = "elsewhere") -> Cli:
    return Cli(tmp_path / name)


def state(folder: Path) -> dict[str, bytes]:
    """Every file but the lock that was tried."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_what_is_restored_elsewhere_is_all_of_it(cli: Cli, saved: Path, tmp_path: Path) -> None:
    there = other(tmp_path)
    done = there.json("restore", str(saved))
    assert done["rows"]["machines"] == done["rows"]["channels"] == 1
    assert (done["cancelled"], done["locked"], done["before"]) == (0, 0, None)
    assert there.json("machines", "show", "db-01") == cli.json("machines", "show", "db-01")
    assert there.json("channels", "list") == cli.json("channels", "list")
    tested = there("channels", "test", "ops")
    assert "key that encrypted" not in tested.err + tested.out, "its secret can be read"
    assert sorted(path.name for path in there.folder.iterdir()) == [
        "lastseen.db",
        "lastseen.db.key",
        "lastseen.db.serve.lock",
    ]
    for path in there.folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_every_row_of_every_table_comes_back(cli: Cli, tmp_path: Path) -> None:
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as raw:
        fill(raw)
        raw.execute("UPDATE notifications SET state = 'delivered', finished_at = due_at")
        raw.commit()
        before = rows_of(raw)
    cli.json("backup", str(tmp_path / "saved.zip"))
    there = other(tmp_path)
    there.json("restore", str(tmp_path / "saved.zip"))
    with closing(sqlite3.connect(there.folder / "lastseen.db")) as raw:
        after = rows_of(raw)
        assert raw.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("PRAGMA page_size").fetchone() == (1024,)
    moved = {"leases", "nodes", "sessions", "link_tokens", "liveness", "delivery_attempts"}  # see the next tests
    moved |= {"audit_log"}  # that it was restored
    for table in before.keys() - moved:
        assert sorted(after[table], key=repr) == sorted(before[table], key=repr), table
    assert there.json("audit")[0]["verb"] == "restore"
    assert after["nodes"] == [], "its processes are yesterday's"
    assert (after["sessions"], after["link_tokens"]) == ([], []), "nobody is logged in"


def test_a_table_with_more_rows_than_are_read_at_once_comes_back_whole(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BATCH", 2)
    names = [f"m{number}" for number in range(5)]
    for name in names:
        cli.json("machines", "add", name)
    cli.json("backup", str(tmp_path / "saved.zip"))
    there = other(tmp_path)
    assert there.json("restore", str(tmp_path / "saved.zip"))["rows"]["machines"] == 5
    assert [one["slug"] for one in there.json("machines", "list")] == names


def test_the_file_is_for_its_owner_alone_and_takes_no_other_files_place(cli: Cli, saved: Path) -> None:
    assert saved.stat().st_mode & 0o777 == 0o600
    before = saved.read_bytes()
    again = cli("backup", str(saved))
    assert (again.code, "is there already" in again.err) == (1, True), again.err
    assert saved.read_bytes() == before
    assert not saved.with_name("saved.zip.part").exists()


def test_any_zip_program_opens_it_and_the_manifest_says_what_it_is(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        assert archive.testzip() is None
        about = json.loads(archive.read("manifest.json"))
        (kinds,) = (entry for entry in about["tables"] if entry["table"] == "kinds")
        lines = archive.read(kinds["file"]).decode().splitlines()
    assert about["format"] == 1
    assert about["revision"] == upgrade_head()
    assert kinds["rows"] == len(lines) - 1 == 4
    assert json.loads(lines[0])["columns"][0] == ["name", "text"]


def upgrade_head() -> str:
    known = sorted(path.name.split("_")[0] for path in (schema.MIGRATIONS / "versions").glob("0*.py"))
    return known[-1]


def test_it_can_be_looked_at_without_being_restored(cli: Cli, saved: Path, tmp_path: Path) -> None:
    there = other(tmp_path)
    about = there.json("restore", str(saved), "--check")
    assert (about["rows"]["machines"], about["keys"]) == (1, True)
    assert not there.folder.exists()


# --- damage -----------------------------------------------------------------------------------------------------------


def test_a_byte_that_is_another_anywhere_is_noticed_and_nothing_is_changed(saved: Path, tmp_path: Path) -> None:
    whole, there = saved.read_bytes(), other(tmp_path)
    there("db", "upgrade")
    before = state(there.folder)
    chance = random.Random(5)
    places = {0, 1, 30, len(whole) - 1, len(whole) - 64, len(whole) - 65, len(whole) - 80}
    places |= {chance.randrange(len(whole)) for _ in range(40)}
    for place in sorted(places):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        saved.write_bytes(damaged)
        done = there("restore", str(saved))
        assert done.code == 1, place
        assert "is damaged" in done.err or "is no backup" in done.err, (place, done.err)
        assert state(there.folder) == before, place


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, -1])
def test_one_that_was_cut_off_is_refused(saved: Path, tmp_path: Path, kept: float) -> None:
    whole, there = saved.read_bytes(), other(tmp_path)
    saved.write_bytes(whole[: int(len(whole) * kept) if kept == 0.5 else int(kept)])
    done = there("restore", str(saved))
    assert done.code == 1
    assert "is damaged" in done.err or "is no backup" in done.err, done.err
    assert not there.folder.exists()


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    there = other(tmp_path)
    (tmp_path / "letter.txt").write_text("Dear all,\n" * 100)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("hello", "world")
    assert "is no backup of lastseen's" in there("restore", str(tmp_path / "letter.txt")).err
    assert "is damaged" in there("restore", str(tmp_path / "other.zip")).err
    assert "No such file" in there("restore", str(tmp_path / "nothing.zip")).err
    assert not there.folder.exists()


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_database_with_something_in_it_is_kept_unless_it_is_to_be_replaced(
    cli: Cli, saved: Path, tmp_path: Path
) -> None:
    cli.json("machines", "add", "later")
    before = rows_in(cli)
    done = cli("restore", str(saved))
    assert (done.code, "--replace" in done.err) == (1, True), done.err
    assert rows_in(cli) == before
    done = cli.json("restore", str(saved), "--replace")
    assert [row["slug"] for row in cli.json("machines", "list")] == ["db-01"]
    kept = Path(done["before"])
    with closing(sqlite3.connect(kept)) as raw:
        assert raw.execute("SELECT slug FROM machines ORDER BY id").fetchall() == [("db-01",), ("later",)]
    assert state(cli.folder).keys() == {"lastseen.db", "lastseen.db.key", kept.name}


def rows_in(cli: Cli) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as raw:
        return rows_of(raw)


def test_a_database_that_is_damaged_can_be_replaced(cli: Cli, saved: Path) -> None:
    (cli.folder / "lastseen.db").write_bytes(b"not a database" * 1000)
    assert "--replace" in cli("restore", str(saved)).err
    done = cli.json("restore", str(saved), "--replace")
    assert [row["slug"] for row in cli.json("machines", "list")] == ["db-01"]
    assert Path(done["before"]).read_bytes() == b"not a database" * 1000


def test_nothing_is_restored_under_a_server_that_runs(cli: Cli, saved: Path) -> None:
    with cli.serving():
        done = cli("restore", str(saved), "--replace")
    assert (done.code, "is served already" in done.err) == (1, True), done.err
    assert [row["slug"] for row in cli.json("machines", "list")] == ["db-01"]


def test_another_program_that_has_the_database_open_is_named(cli: Cli, saved: Path) -> None:
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as raw:
        raw.execute("BEGIN")
        raw.execute("SELECT 1 FROM machines").fetchall()
        done = cli("restore", str(saved), "--replace")
    assert (done.code, "has" in done.err and "open" in done.err) == (1, True), done.err
    assert not list(cli.folder.glob("*.restoring*"))


def test_there_must_be_something_to_back_up(empty: Cli, tmp_path: Path) -> None:
    done = empty("backup", str(tmp_path / "saved.zip"))
    assert (done.code, "there is no database" in done.err) == (1, True), done.err
    assert not list(tmp_path.glob("saved*"))


def test_a_folder_that_is_not_there_is_named(cli: Cli, tmp_path: Path) -> None:
    done = cli("backup", str(tmp_path / "nowhere" / "saved.zip"))
    assert (done.code, "cannot be written" in done.err) == (1, True), done.err


# --- schemas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
def test_one_of_an_older_schema_is_brought_up_to_date(tmp_path: Path, revision: str) -> None:
    old, there = other(tmp_path, "old"), other(tmp_path)
    old.folder.mkdir()
    upgrade.upgrade(old.folder / "lastseen.db", revision=revision)
    with closing(sqlite3.connect(old.folder / "lastseen.db")) as raw:
        raw.execute("INSERT INTO users (id, name, role, created_at) VALUES (7, 'eva', 'admin', ?)", (HOUR_AGO,))
        raw.commit()
    about = old.json("backup", str(tmp_path / "saved.zip"))
    assert about["revision"] == revision
    done = there.json("restore", str(tmp_path / "saved.zip"))
    assert (done["revision"], done["schema"]) == (revision, upgrade_head())
    assert there.json("db", "check")["ok"]
    with closing(sqlite3.connect(there.folder / "lastseen.db")) as raw:
        assert raw.execute("SELECT id, name FROM users").fetchall() == [(7, "eva")]
    assert not list(there.folder.glob("*.bak"))


def test_one_of_a_newer_schema_or_format_is_refused(saved: Path, tmp_path: Path) -> None:
    there = other(tmp_path)
    for name, value, words in (("revision", "9999", "does not know"), ("format", 2, "in a format that this version")):
        rewritten(saved, tmp_path / f"{name}.zip", name, value)
        done = there("restore", str(tmp_path / f"{name}.zip"))
        assert (done.code, words in done.err) == (1, True), done.err
        assert "install that version or a newer one" in done.err
    assert not there.folder.exists() or not state(there.folder)


def rewritten(source: Path, target: Path, name: str, value: object) -> None:
    """The same with something else in its manifest, and the right checksum."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == "manifest.json":
                content = json.dumps({**json.loads(content), name: value}).encode()
            new.writestr(member, content)
        new.comment = b"0" * 64
    body = target.read_bytes()[:-64]
    target.write_bytes(body + hashlib.sha256(body).hexdigest().encode())


# --- keys -------------------------------------------------------------------------------------------------------------


def test_the_key_can_be_left_out_and_brought_by_hand(cli: Cli, saved: Path, tmp_path: Path) -> None:
    there, file = other(tmp_path), tmp_path / "without.zip"
    key = (cli.folder / "lastseen.db.key").read_text().strip()
    assert not cli.json("backup", str(file), "--without-key")["keys"]
    with zipfile.ZipFile(file) as archive:
        assert "keys" not in archive.namelist()
        assert key not in "".join(archive.read(name).decode() for name in archive.namelist())
    assert there.json("restore", str(file))["locked"] == 3, "of the channel, and two addresses of the machine"
    shutil.copy(cli.folder / "lastseen.db.key", there.folder)
    assert there.json("restore", str(file), "--replace")["locked"] == 0


def test_a_key_from_the_settings_is_not_in_the_file(cli: Cli, tmp_path: Path) -> None:
    cli.env["LASTSEEN_SECRET_KEY"] = Fernet.generate_key().decode()
    cli.json("channels", "add", "webhook", "--name", "ops", "--url", URL)
    done = cli("backup", str(tmp_path / "saved.zip"))
    assert "the one in LASTSEEN_SECRET_KEY" in done.out
    there = other(tmp_path)
    assert there.json("restore", str(tmp_path / "saved.zip"))["locked"] == 1
    there.env["LASTSEEN_SECRET_KEY"] = cli.env["LASTSEEN_SECRET_KEY"]
    assert there.json("restore", str(tmp_path / "saved.zip"), "--replace")["locked"] == 0


def test_the_keys_of_what_was_there_before_are_kept_too(cli: Cli, saved: Path, tmp_path: Path) -> None:
    there = other(tmp_path)
    there("db", "upgrade")
    there.json("channels", "add", "webhook", "--name", "mine", "--url", URL)
    own = (there.folder / "lastseen.db.key").read_text().split()
    there.json("restore", str(saved), "--replace")
    assert (there.folder / "lastseen.db.key").read_text().split() == [
        *(cli.folder / "lastseen.db.key").read_text().split(),
        *own,
    ]


# --- what is not yesterday any more -----------------------------------------------------------------------------------


def test_what_waited_is_cancelled_and_no_id_is_used_again(cli: Cli, tmp_path: Path) -> None:
    database = cli.folder / "lastseen.db"
    with closing(sqlite3.connect(database)) as raw:
        fill(raw)
        raw.execute(
            "INSERT INTO meta (key, value) VALUES ('note:trouble:x', ?)", ('{"begun":null,"since":null,"ended":"e"}',)
        )
        raw.execute("UPDATE sqlite_sequence SET seq = 50 WHERE name = 'events'")
        raw.commit()
    cli.json("backup", str(tmp_path / "saved.zip"))
    there = other(tmp_path)
    assert there.json("restore", str(tmp_path / "saved.zip"))["cancelled"] == 1
    with closing(sqlite3.connect(there.folder / "lastseen.db")) as raw:
        row = raw.execute("SELECT state, reason, lease_token, finished_at IS NULL FROM notifications").fetchone()
        assert row == ("cancelled", "restored", None, 0)
        assert raw.execute("SELECT outcome FROM delivery_attempts").fetchall() == [("lost",)]
        assert raw.execute("SELECT event_seq >= 1000 FROM liveness").fetchall() == [(1,)]
        assert raw.execute("SELECT seq >= 1050 FROM sqlite_sequence WHERE name = 'events'").fetchall() == [(1,)]
        assert raw.execute("SELECT token FROM leases").fetchall() == [(GOOD["leases"]["token"],)]
        (note,) = raw.execute("SELECT value FROM meta WHERE key = 'note:trouble:x'").fetchone()
        assert json.loads(note)["ended"].startswith("restored ")
        heard = raw.execute("SELECT heard_until FROM source_listeners").fetchall()
        assert heard == [(GOOD["source_listeners"]["heard_until"],)], "the time since then is blind"


def test_a_backup_that_was_killed_leaves_nothing_that_stands_in_the_way(cli: Cli, tmp_path: Path) -> None:
    part = tmp_path / "saved.zip.part"
    part.write_bytes(b"half")
    part.chmod(0o644)
    cli.json("backup", str(tmp_path / "saved.zip"))
    assert not part.exists()
    assert (tmp_path / "saved.zip").stat().st_mode & 0o777 == 0o600
    cli.json("restore", str(tmp_path / "saved.zip"), "--check")
