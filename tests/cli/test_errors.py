"""What goes wrong is said in a line or two, with what to do, and without a traceback (`Cli` looks for those)."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.support import needs_root


@pytest.mark.parametrize(
    "command",
    [
        ("machines", "list"),
        ("machines", "add", "x"),
        ("kinds", "list"),
        ("channels", "list"),
        ("events",),
        ("db", "check"),
    ],
    ids=" ".join,
)
def test_without_a_database_a_command_says_so_and_makes_none(empty: Cli, command: tuple[str, ...]) -> None:
    done = empty(*command)
    assert (done.code, done.out) == (1, "")
    assert "lastseen db upgrade" in done.err
    assert not list(empty.folder.parent.glob("data/*"))


def test_upgrade_makes_the_database_for_its_user_alone(empty: Cli) -> None:
    assert empty("db", "upgrade").code == 0
    assert (empty.folder / "lastseen.db").stat().st_mode & 0o077 == 0
    assert empty.json("machines", "list") == []


def test_a_file_that_is_no_database_is_told_as_such(empty: Cli) -> None:
    empty.folder.mkdir()
    (empty.folder / "lastseen.db").write_text("this is a letter, not a database\n" * 100)
    for command in (("machines", "list"), ("db", "upgrade"), ("db", "current")):
        done = empty(*command)
        assert (done.code, done.out) == (1, ""), command
        assert len(done.err.splitlines()) <= 3


def test_a_database_of_a_newer_program_is_left_alone(cli: Cli) -> None:
    with sqlite3.connect(cli.folder / "lastseen.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for command in (("machines", "list"), ("db", "upgrade")):
        done = cli(*command)
        assert done.code == 1
        assert "newer" in done.err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("machines", "show", "nobody"), "nobody"),
        (("machines", "show", "99999999999999999999999"), "9999"),
        (("machines", "add", "bad slug"), "bad slug"),
        (("machines", "add", "bad slug"), "SLUG: must be"),
        (("machines", "add", "x", "--offline-after", "soon"), "--offline-after: must be"),
        (("machines", "add", "x", "--every", "0s"), "--every: must be"),
        (("machines", "add", "x", "--kind", "nothing"), "--kind: there is no kind"),
        (("machines", "add", "x", "--schedule", "daily", "--tz", "Mars"), "--tz: there is no time zone"),
        (("sources", "remove", "http"), "cannot be removed"),
        (("sources", "show", "nobody"), "nobody"),
        (("kinds", "set", "x", "--offline-after", "-1"), "--offline-after"),
        (("channels", "test", "nobody"), "nobody"),
        (("channels", "add", "webhook", "--name", "x", "--url", "ftp://x"), "--url"),
        (("channels", "add", "webhook", "--name", "x", "--url", "http://x", "--secret", "short"), "--secret"),
        (("channels", "add", "webhook", "--name", "x", "--url", "http://169.254.169.254/latest"), "--url"),
        (("channels", "add", "webhook", "--name", "x", "--url", "http://[fe80::1]/hook"), "--url"),
        (("channels", "add", "webhook", "--name", "x", "--url", "http://2852039166/hook"), "--url"),
        (("keys", "revoke", "77"), "77"),
        (("notifications", "replay", "77"), "77"),
        (("notifications", "replay", "no-such-uid"), "no-such-uid"),
        (("agent", "--server", "x", "--key-file", "/dev/null"), "--server"),
        (("agent", "--server", "http://x", "--key-file", "/no/such/file"), "/no/such/file"),
        (("agent", "--server", "http://x", "--key-file", "/dev/null", "--interval", "1ms"), "--interval"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_value_is_named_and_the_exit_code_is_1(cli: Cli, command: tuple[str, ...], said: str) -> None:
    done = cli(*command)
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert done.err.startswith("lastseen: ")
    assert len(done.err.splitlines()) <= 2


def named_in(err: str) -> list[str]:
    """What each line is about."""
    return [line.partition(":")[0] for line in err.removeprefix("lastseen: ").splitlines()]


def test_all_that_is_wrong_is_named_at_once(cli: Cli) -> None:
    done = cli("machines", "add", "bad slug", "--every", "0s", "--offline-after", "soon")
    assert done.code == 1
    assert named_in(done.err) == ["SLUG", "--every", "--offline-after"]
    assert "lastseen machines add bad-slug --name 'bad slug'" in done.err


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("machines", "add", "ok1", "--owner", "ghost", "--every", "soon"), ["--owner", "--every"]),
        (("machines", "set", "known", "--owner", "ghost", "--every", "soon"), ["--owner", "--every"]),
        (("machines", "set", "known", "--kind", "nothing", "--grace", "soon"), ["--grace", "--kind"]),
        (("machines", "add", "ok1", "--every", "soon", "--schedule", "0 0 30 2 *"), ["--every", "--schedule"]),
        (("kinds", "set", "x", "--offline-after", "-1", "--every", "soon"), ["--offline-after", "--every"]),
        (("kinds", "set", "", "--every", "soon"), ["NAME", "--every"]),
        (
            ("channels", "add", "webhook", "--name", "x", "--url", "ftp://x", "--secret", "short"),
            ["--url", "--secret"],
        ),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_all_that_is_wrong_with_anything_is_named_at_once(cli: Cli, command: tuple[str, ...], named: list[str]) -> None:
    cli.json("machines", "add", "known")
    done = cli(*command)
    assert (done.code, done.out) == (1, "")
    assert named_in(done.err) == named
    assert [one["slug"] for one in cli.json("machines", "list")] == ["known"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("nothing",), "nothing"),
        (("machines", "nothing"), "nothing"),
        (("machines", "add"), "SLUG"),
        (("machines", "set", "x"), "say what to change"),
        (("sources", "set", "x"), "say what to change"),
        (("machines", "list", "--no-such-option"), "--no-such-option"),
        (("channels", "add", "pigeon", "--name", "x"), "pigeon"),
        (("channels", "add", "webhook", "--name", "x"), "--url"),
        (("notifications", "list", "--state", "lost"), "--state"),
        (("events", "--limit", "0"), "--limit"),
        (("serve", "--port", "many"), "--port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_named_and_is_exit_code_2(cli: Cli, command: tuple[str, ...], said: str) -> None:
    done = cli(*command)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_wrong_setting_is_named_and_its_value_is_not_repeated(cli: Cli) -> None:
    cli.env["TELEGRAM_BOT_TOKEN"] = "not-a-token-but-secret"
    done = cli("machines", "list")
    assert done.code == 1
    assert "TELEGRAM_BOT_TOKEN" in done.err
    assert "not-a-token" not in done.err


@needs_root
def test_root_leaves_no_files_in_the_folder_of_another_user(cli: Cli) -> None:
    for path in (cli.folder, *cli.folder.iterdir()):
        os.chown(path, 65534, 65534)
    before = {path: path.stat().st_mtime_ns for path in cli.folder.iterdir()}
    done = cli("machines", "add", "x")
    assert done.code == 1
    assert "sudo -u" in done.err
    assert {path: path.stat().st_mtime_ns for path in cli.folder.iterdir()} == before


def test_a_secret_in_an_address_is_in_no_error(cli: Cli, tmp_path: Path) -> None:
    made = cli.json("channels", "add", "webhook", "--name", "ops", "--url", "http://127.0.0.1:9/hook")
    done = cli("channels", "test", "ops", "--json")
    assert done.code == 1
    assert done.value["ok"] is False
    assert done.value["detail"]
    assert made["secret"] not in done.out + done.err


def test_help_is_quick(cli: Cli) -> None:
    spans = []
    for _ in range(3):
        started = time.process_time() + sum(os.times()[2:4])
        assert cli.process("--help").code == 0
        spans.append(time.process_time() + sum(os.times()[2:4]) - started)
    assert min(spans) < 0.5  # of the processor's time: other tests may run beside this one
