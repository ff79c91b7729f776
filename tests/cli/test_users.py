"""People, by the command line: links, roles, keys of theirs, and what was done."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.secrecy import secret


def test_the_first_admin_comes_by_a_link_that_is_printed(cli: Cli) -> None:
    link = cli.json("setup-link")
    secret(link["url"].partition("token=")[2])
    assert link.keys() == {"url", "expires_at"}
    assert link["url"].startswith("http://127.0.0.1:8383/setup?token=")
    lasts = datetime.fromisoformat(link["expires_at"]) - datetime.now().astimezone()
    assert timedelta(hours=23) < lasts <= timedelta(hours=24)
    told = cli("setup-link")
    assert told.code == 0
    assert "/setup?token=" in told.out
    assert "It works once" in told.out
    cli.json("users", "add", "ada", "--role", "admin")
    refused = cli("setup-link")
    assert refused.code == 1
    assert "there is an admin already" in refused.err


def test_users_are_added_changed_listed_and_removed(cli: Cli) -> None:
    assert "setup-link" in cli("users", "list").out
    ada = cli.json("users", "add", "ada", "--role", "admin")
    assert ada["url"].startswith("http://127.0.0.1:8383/reset?token=")
    assert "they choose a password" in cli("users", "add", "Bob").out
    assert [(user["name"], user["role"], user["has_password"]) for user in cli.json("users", "list")] == [
        ("ada", "admin", False),
        ("Bob", "member", False),
    ]
    assert "Bob" in cli("users", "list").out
    assert cli.json("users", "set", "bob", "--role", "viewer")["role"] == "viewer"
    assert cli("users", "set", str(ada["id"]), "--role", "admin").out == "ada is admin now.\n"
    again = cli.json("users", "reset-password", "bob")
    assert again.keys() == {"name", "url", "expires_at"}
    assert again["url"] != ada["url"]
    assert "chooses a new password" in cli("users", "reset-password", "bob").out
    assert cli.json("users", "remove", "bob")["removed"] is True
    assert cli.json("users", "sessions") == []
    assert cli("users", "sessions").out == "Nobody is logged in.\n"
    assert cli.json("users", "log-out", "ada") == {"name": "ada", "ended": 0}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("users", "remove", "ada"), "ada is the last admin"),
        (("users", "set", "ada", "--role", "viewer"), "ada is the last admin"),
        (("users", "set", "ada", "--role", "king"), "--role: must be one of admin, member, viewer"),
        (("users", "add", "ADA"), "there is a user 'ADA' already"),
        (("users", "add", " "), "NAME: must be"),
        (("users", "remove", "nobody"), "no user 'nobody'"),
        (("users", "reset-password", "nobody"), "no user 'nobody'"),
        (("users", "sessions", "nobody"), "no user 'nobody'"),
        (("users", "log-out", "ada", "--session", "7"), "ada has no session 7"),
        (("keys", "add", "api", "--user", "nobody"), "no user 'nobody'"),
        (("keys", "add", "api", "--may", "all"), "--may: must be one of read, write"),
    ],
)
def test_what_cannot_be_done_is_said(cli: Cli, command: tuple[str, ...], said: str) -> None:
    cli.json("users", "add", "ada", "--role", "admin")
    before = cli.json("users", "list")
    done = cli(*command)
    assert done.code == 1
    assert said in done.err
    assert cli.json("users", "list") == before
    assert cli.json("keys", "list") == []


def test_a_key_says_what_it_may_and_whose_it_is(cli: Cli) -> None:
    cli.json("users", "add", "ada", "--role", "admin")
    plain = cli.json("keys", "add", "api")
    assert (plain.keys(), plain["expires_at"]) == ({"id", "scope", "label", "key", "expires_at"}, None)
    cli.json("keys", "add", "api", "--may", "write", "--user", "ADA")
    listed = [(key["may"], key["user"], key["last_used_at"]) for key in cli.json("keys", "list")]
    assert listed == [("read", None, None), ("write", "ada", None)]
    assert "write" in cli("keys", "list").out
    cli.json("users", "add", "bob", "--role", "admin")
    cli.json("users", "remove", "ada")
    assert [key["id"] for key in cli.json("keys", "list")] == [plain["id"]], "it went with its user"


def test_what_was_done_is_listed(cli: Cli) -> None:
    assert cli("audit").out == "Nobody has changed anything.\n"
    cli.json("users", "add", "ada", "--role", "admin")
    cli.json("users", "add", "bob")
    cli.json("users", "set", "bob", "--role", "viewer")
    done = cli.json("audit")
    made = ["users.reset-password", "users.add"]
    assert [deed["verb"] for deed in done] == ["users.set", *made, *made]
    assert {(deed["by"], deed["through"], deed["address"]) for deed in done} == {("command line", "command line", "")}
    assert "role: member → viewer" in cli("audit").out
    assert [deed["verb"] for deed in cli.json("audit", "--subject", "user ada")] == [
        "users.reset-password",
        "users.add",
    ]
    (newest,) = cli.json("audit", "--limit", "1")
    assert [deed["id"] for deed in cli.json("audit", "--before", str(newest["id"]))] == [
        deed["id"] for deed in done[1:]
    ]


def test_a_database_with_nothing_but_a_user_is_not_taken_for_an_empty_one(cli: Cli, tmp_path: Path) -> None:
    saved = str(tmp_path / "saved.zip")
    cli.json("backup", saved)
    cli.json("restore", saved)
    cli.json("users", "add", "ada", "--role", "admin")
    refused = cli("restore", saved)
    assert refused.code == 1
    assert [user["name"] for user in cli.json("users", "list")] == ["ada"]
