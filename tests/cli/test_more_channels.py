"""E-mail, ntfy and Apprise from the command line: added, listed, tried, and their secrets kept."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lastseen.clock import SystemClock
from lastseen.compose import Notifiers
from lastseen.errors import PluginError
from lastseen.model import Channel
from lastseen.settings import Settings
from lastseen.testing.far_end import Answer, FarEnd
from tests.cli.conftest import Cli
from tests.secrecy import secret
from tests.standins.ntfy import TOKEN, TOPIC, NtfyServer
from tests.standins.smtp import PASSWORD, USER, Certificate, MailServer

HOOK = "h00k-B1g-Secr3t"
for text in (PASSWORD, TOKEN, TOPIC, HOOK):
    secret(text)


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path)


@pytest.fixture
def post(certificate: Certificate) -> Iterator[MailServer]:
    with MailServer(certificate) as server:
        yield server


@pytest.fixture
def far_end() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


@pytest.fixture
async def ntfy() -> AsyncIterator[NtfyServer]:
    async with NtfyServer(open_to_all=False).serving() as server:
        yield server


def stored(cli: Cli) -> bytes:
    """All that is in the database."""
    for file in cli.folder.glob("*.db"):
        with sqlite3.connect(file) as database:
            return "\n".join(database.iterdump()).encode()
    raise AssertionError("there is no database")


FLAGS = {
    "email": {
        "--host",
        "--port",
        "--security",
        "--user",
        "--password",
        "--password-file",
        "--from",
        "--to",
        "--ca-file",
    },
    "ntfy": {"--topic", "--topic-file", "--url", "--token", "--token-file", "--priority", "--tags", "--click"},
    "apprise": {"--urls", "--urls-file"},
}


@pytest.mark.parametrize("type_", FLAGS)
def test_every_type_has_its_flags_and_is_listed_with_what_it_takes(cli: Cli, type_: str) -> None:
    text = cli("channels", "add", type_, "--help").out
    assert [flag for flag in FLAGS[type_] if flag not in text] == []
    listed = {plugin["type"]: plugin for plugin in cli.json("plugins")}
    assert listed[type_]["ok"] is True


def test_e_mail_is_added_and_tried(cli: Cli, post: MailServer, certificate: Certificate, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    to = ("--to", "ops@example.org", "--to", "Ada <ada@example.org>", "--from", "lastseen@example.org")
    server = ("--host", "localhost", "--port", str(post.port), "--ca-file", str(certificate.file))
    login = ("--user", USER, "--password-file", str(tmp_path / "password"))
    made = cli.json("channels", "add", "email", "--name", "mail", *server, *login, *to)
    assert made == {"id": 1, "type": "email", "name": "mail"}
    tried = cli("channels", "test", "mail", "--json")
    assert tried.code == 0
    (letter,) = post.letters
    assert tried.value == {"ok": True, "detail": f"delivered; it is known there as {letter.mail['Message-ID']}"}
    assert letter.to == ("ops@example.org", "ada@example.org")
    assert str(letter.mail["Subject"]).startswith("✅ Test")
    assert PASSWORD not in str(cli.json("channels", "list"))
    assert PASSWORD.encode() not in stored(cli)


async def test_ntfy_is_added_and_tried(cli: Cli, ntfy: NtfyServer) -> None:
    given = ("--url", ntfy.url, "--topic", TOPIC, "--token", TOKEN, "--tags", "house", "--priority", "5")
    made = await asyncio.to_thread(lambda: cli.beside("channels", "add", "ntfy", "--name", "phone", *given, "--json"))
    assert made.code == 0, made.err
    tried = await asyncio.to_thread(lambda: cli.beside("channels", "test", "phone", "--json"))
    assert tried.value["ok"] is True
    assert ntfy.published[0].tags == ("house",)
    listed = await asyncio.to_thread(lambda: cli.beside("channels", "list", "--json").out)
    assert TOPIC not in listed + made.out + tried.out
    assert TOKEN not in listed + made.out + tried.out
    assert TOPIC.encode() not in stored(cli)
    assert TOKEN.encode() not in stored(cli)


def test_apprise_is_added_and_tried(cli: Cli, far_end: FarEnd, tmp_path: Path) -> None:
    url = f"json://{far_end.url.removeprefix('http://')}/{HOOK}"
    (tmp_path / "urls").write_text(f"# ours\n{url}\n")
    made = cli("channels", "add", "apprise", "--name", "chats", "--urls-file", str(tmp_path / "urls"))
    assert made.code == 0, made.err
    assert cli.json("channels", "test", "chats") == {"ok": True, "detail": "delivered"}
    assert far_end.requests[0].path == f"/{HOOK}"
    assert HOOK.encode() not in stored(cli)
    far_end.otherwise = Answer(500)
    failed = cli("channels", "test", "chats", "--json")
    assert failed.code == 1
    assert HOOK not in failed.out + failed.err


@pytest.mark.parametrize(
    ("type_", "given", "named"),
    [
        ("email", ("--host", "x", "--from", "nobody", "--to", "a@b.example"), "--from"),
        ("email", ("--host", "x", "--from", "a@b.example", "--to", "a"), "--to"),
        ("email", ("--host", "x", "--from", "a@b.example"), "--to"),
        ("ntfy", ("--topic", "a/b"), "--topic"),
        ("apprise", ("--urls", f"nonsense://{HOOK}"), "--urls"),
    ],
)
def test_what_is_refused_is_named_by_its_flag_and_nothing_is_stored(
    cli: Cli, type_: str, given: tuple[str, ...], named: str
) -> None:
    done = cli("channels", "add", type_, "--name", "x", *given)
    assert done.code in (1, 2)
    assert named in done.err
    assert HOOK not in done.err
    assert cli.json("channels", "list") == []


async def test_what_nothing_guards_is_for_the_command_line_only() -> None:
    """A channel that a person owns may have neither a mail server nor an Apprise address at will."""
    of_a_person = Channel("c", "x", "apprise", owner_id=1)
    async with Notifiers(Settings(), SystemClock()) as notifiers:
        with pytest.raises(PluginError, match="made by the command line only"):
            notifiers(of_a_person, {"urls": "json://localhost"})
        assert notifiers(Channel("c", "x", "apprise"), {"urls": "json://localhost"})
        with pytest.raises(PluginError, match="made by the command line only"):
            notifiers(Channel("c", "x", "email", owner_id=1), {})


def test_the_list_says_since_when_a_channel_fails_and_why(cli: Cli) -> None:
    cli.json("channels", "add", "webhook", "--name", "ops", "--url", "http://127.0.0.1:9/hook")
    assert "fails" not in cli("channels", "list").out
    at = "2025-10-10 16:30:00.000000"
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as db, db:
        db.execute("UPDATE channel_state SET failing_since = ?, failures = 3", (at,))
        attempt = "channel_id, node, lease_token, started_at, finished_at, outcome, detail"
        values = (1, "n", 1, at, at, "retry", "no route")
        db.execute(f"INSERT INTO delivery_attempts ({attempt}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    assert "fails since 2025-10-10 16:30:00: no route" in cli("channels", "list").out
    (shown,) = cli.json("channels", "list")
    assert (shown["failing_since"], shown["last_error"]) == ("2025-10-10T16:30:00Z", "no route")
