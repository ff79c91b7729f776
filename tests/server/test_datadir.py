"""The data folder, and one server a database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lastseen.datadir import check_folder, database_file, prepare_folder, serve_lock
from lastseen.errors import AlreadyServing, ConfigurationError
from tests.support import needs_root

HOLD = """
import sys, pathlib
from lastseen.datadir import serve_lock
with serve_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    prepare_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    prepare_folder(folder)


def test_a_folder_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="LASTSEEN_DATA_DIR"):
        prepare_folder(tmp_path / "file" / "below")


@needs_root
def test_root_does_not_leave_files_in_somebody_elses_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(ConfigurationError, match="sudo -u nobody"):
        prepare_folder(tmp_path)


@needs_root
def test_nor_beside_somebody_elses_database(tmp_path: Path) -> None:
    database = tmp_path / "lastseen.db"
    database.write_text("")
    os.chown(database, 65533, 65533)
    with pytest.raises(ConfigurationError, match="belongs to"):
        check_folder(tmp_path, database)


def test_only_files_have_a_lock(tmp_path: Path) -> None:
    assert database_file(f"sqlite:///{tmp_path}/x.db") == tmp_path / "x.db"
    assert database_file("memory:") is None
    with serve_lock(None) as alone:
        assert not alone


def test_a_second_server_is_refused_and_told_the_pid_of_the_first(tmp_path: Path) -> None:
    database = tmp_path / "lastseen.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyServing, match=f"pid {holder.pid}"), serve_lock(database):
            pytest.fail("both hold it")
        holder.kill()
    with serve_lock(database) as alone:
        assert alone, "what a dead process leaves is no obstacle"
    with serve_lock(database) as alone:
        assert alone
