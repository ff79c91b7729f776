"""`machines add --key-file`: the key is in a file that only its owner reads, and nowhere else."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from lastseen.cli.secret_file import secret_file
from lastseen.errors import InvalidInput
from tests.cli.conftest import Cli, beat


def test_the_key_is_in_the_file_alone_and_works(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "pump.key"
    with cli.serving() as url:
        done = cli("machines", "add", "pump", "--key-file", str(file))
        key = file.read_text().strip()
        assert beat(url, key) == 204
    assert done.code == 0
    assert f"Its key is in {file}." in done.out
    assert key not in done.out + done.err
    assert file.stat().st_mode & 0o777 == 0o600


def test_for_programs_it_says_where_the_key_is(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "pump.key"
    made = cli.json("machines", "add", "pump", "--key-file", str(file))
    assert (made["key"], made["key_file"]) == (None, str(file))


def test_a_file_that_is_there_or_cannot_be_made_is_refused_before_anything_is_done(cli: Cli, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("precious")
    for file, words in ((there, "is there already"), (tmp_path / "nowhere" / "key", "cannot be made")):
        done = cli("machines", "add", "pump", "--key-file", str(file))
        assert done.code == 1
        assert done.err.startswith(f"lastseen: --key-file: {file} {words}")
    assert there.read_text() == "precious"
    assert cli.json("machines", "list") == []


def test_no_file_is_left_where_nothing_was_made(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "pump.key"
    cli.json("machines", "add", "pump")
    assert cli("machines", "add", "pump", "--key-file", str(file)).code == 1
    done = cli("machines", "add", "pump", "--if-missing", "--key-file", str(file))
    assert (done.code, "is there already" in done.out) == (0, True)
    assert not file.exists()


def test_a_file_that_cannot_be_written_is_named_with_what_to_do_and_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lastseen.cli.secret_file.os.fsync", full)
    file = tmp_path / "pump.key"
    words = "No space left on device; another: lastseen machines rotate-key"
    with pytest.raises(InvalidInput, match=words) as raised, secret_file(file, "key_file") as write:
        write("lsk_half")
    assert raised.value.field == "key_file"
    assert "lsk_half" not in str(raised.value)
    assert not file.exists()
