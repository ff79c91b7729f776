"""`lastseen doctor` as people and programs see it."""

from __future__ import annotations

import io
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from lastseen.cli import doctor
from lastseen.doctor import CHECKS, Checked, Finding, Severity, computer
from tests.cli.conftest import Cli
from tests.support import needs_root

ROOT = Path(__file__).parent.parent.parent


def codes(report: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[str]:
    return [finding["code"] for check in report["checks"] for finding in check["findings"]]


def test_beside_a_server_and_with_a_channel_nothing_is_to_be_done(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computer, "synchronised", lambda: True)
    cli.folder.chmod(0o700)
    cli("channels", "add", "console", "--name", "screen")
    with cli.serving() as url:
        done = cli("doctor", "--json")
        assert (done.code, done.err) == (0, "")
        assert (done.value["ok"], done.value["to_do"]) == (True, 0)
        assert [check["name"] for check in done.value["checks"]] == [check.name for check in CHECKS]
        assert codes(done.value) == ["machines.none", "people.none"]
        (server,) = (check for check in done.value["checks"] if check["name"] == "server")
        assert url in server["summary"]
        people = cli("doctor")
        assert people.code == 0
        assert people.out.endswith("\nNothing to do, 2 hints.\n")
        assert "\x1b" not in people.out, "no colours and no progress for a pipe"
    after = cli("doctor", "--json")
    assert after.code == 1
    assert codes(after.value) == ["server.stopped", "machines.none"]


def test_without_a_database_it_says_so_and_looks_at_the_rest(empty: Cli) -> None:
    done = empty("doctor", "--json")
    assert (done.code, done.err) == (1, "")
    assert done.value["ok"] is False
    assert {"folder.missing", "database.missing"} <= set(codes(done.value))
    looked_at = ["settings", "folder", "disk", "database", "clock", "plugins"]
    assert [check["name"] for check in done.value["checks"]] == looked_at
    assert not empty.folder.exists(), "it makes nothing"


def test_it_tells_of_a_setting_that_is_none_and_of_what_to_do(cli: Cli) -> None:
    cli.env["LASTSEEN_PROT"] = "1"
    done = cli("doctor")
    assert done.code == 1
    assert "did you mean LASTSEEN_PORT" in done.out
    assert "→ correct the name" in done.out


def test_settings_that_cannot_be_used_are_a_finding_too(cli: Cli) -> None:
    cli.env["LASTSEEN_PORT"] = "many"
    done = cli("doctor", "--json")
    assert (done.code, done.err) == (1, "")
    assert codes(done.value) == ["settings.wrong"]
    assert "LASTSEEN_PORT" in done.out


@needs_root
def test_run_by_root_on_the_services_database_it_says_who_to_be(cli: Cli) -> None:
    for path in (cli.folder, *cli.folder.iterdir()):
        os.chown(path, 12345, 12345)
    done = cli("doctor", "--json")
    assert done.code == 1
    (finding,) = (f for check in done.value["checks"] if check["name"] == "database" for f in check["findings"])
    assert finding["code"] == "database.unusable"
    assert "sudo -u" in finding["what"]
    assert all(path.stat().st_uid == 12345 for path in cli.folder.iterdir()), "it leaves nothing of its own"


def test_it_changes_nothing(cli: Cli) -> None:
    def everything() -> list[tuple[str, bytes]]:
        with closing(sqlite3.connect(cli.folder / "lastseen.db")) as connection:
            return [("dump", "\n".join(connection.iterdump()).encode())]

    before, names = everything(), sorted(path.name for path in cli.folder.iterdir())
    assert cli("doctor").code == 1
    assert everything() == before
    assert {path.name for path in cli.folder.iterdir()} <= {*names, "lastseen.db-wal", "lastseen.db-shm"}


def test_what_comes_from_outside_moves_no_cursor_and_is_no_markup() -> None:
    finding = Finding(Severity.BAD, "x.y", 'source "[red]a\x1b[2J\r" is [bold]odd', "try `rm [/]`")
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system="truecolor")
    doctor.print_check(console, "sources", Checked("fine [x]", (finding,)))
    plain = re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())
    assert "\x1b" not in plain
    assert "\r" not in plain
    assert 'source "[red]a' in plain
    assert "rm [/]" in plain


def test_every_finding_is_explained_on_its_page() -> None:
    made: set[str] = set()
    for file in [*(ROOT / "lastseen/doctor").glob("*.py"), ROOT / "lastseen/cli/doctor.py"]:
        found = re.findall(r'"([a-z]+\.[a-z_]+)"', file.read_text())
        made |= {code for code in found if not code.startswith("fuse.")}  # those are file systems
    page = (ROOT / "docs/doctor.md").read_text()
    listed = re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| (bad|warning|hint)", page, re.M)
    assert [code for code, _ in listed] == sorted(code for code, _ in listed)
    assert {code for code, _ in listed} == made
