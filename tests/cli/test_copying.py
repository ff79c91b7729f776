"""`lastseen db copy` by hand: into PostgreSQL and back, secrets and all; the old database refuses to serve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.servers.postgres import PostgresServer


@pytest.fixture
def target(postgres_server: PostgresServer) -> str:
    return postgres_server.url(postgres_server.database())


def file_of(cli: Cli) -> str:
    return f"sqlite:///{cli.folder}/lastseen.db"


def there(cli: Cli, url: str) -> Cli:
    """The same command, on that database."""
    return replace(cli, env={**cli.env, "LASTSEEN_DATABASE_URL": url})


def secrets_of(cli: Cli) -> list[str]:
    return [key["key"] for key in cli.json("keys", "list", "--show") if key["key"]]


def test_everything_moves_to_postgresql_and_back_with_its_secrets(cli: Cli, target: str, tmp_path: Path) -> None:
    cli.json("machines", "add", "web", "--offline-after", "5m")
    cli.json("keys", "add", "ping", "--label", "cron")
    before = cli.json("machines", "list"), secrets_of(cli)
    assert before[1]
    done = cli.json("db", "copy", file_of(cli), target)
    assert done["target"].startswith("postgresql://127.0.0.1/")
    assert done["written"] == sum(done["rows"].values())
    there_ = there(cli, target)
    assert (there_.json("machines", "list"), secrets_of(there_)) == before
    back = f"sqlite:///{tmp_path}/back.db"
    cli.json("db", "copy", target, back)
    home = there(cli, back)
    assert (home.json("machines", "list"), secrets_of(home)) == before
    assert "was moved to" in there(cli, target)("machines", "list").err


def test_the_old_database_refuses_to_serve_until_that_is_taken_back(cli: Cli, target: str) -> None:
    cli.json("db", "copy", file_of(cli), target)
    refused = cli.beside("serve", "--port", "0")
    assert refused.code == 1
    assert "was moved to postgresql://127.0.0.1/" in refused.err
    assert "lastseen db reopen" in refused.err
    assert cli.json("db", "reopen", file_of(cli))["was"].startswith("moved to")
    assert cli("machines", "list").code == 0


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("sqlite:////nowhere/lastseen.db", "there is no database at /nowhere/lastseen.db"),
        (
            "mysql://user:secret@host/name",
            "write a database as sqlite:///path/to/lastseen.db or postgresql://host/name",
        ),
    ],
)
def test_what_is_no_database_is_refused_and_no_password_is_shown(
    cli: Cli, target: str, source: str, wrong: str
) -> None:
    done = cli("db", "copy", source, target)
    assert (done.code, done.out) == (1, "")
    assert wrong in done.err
    assert "secret" not in done.err


def test_a_database_that_is_served_is_not_copied(cli: Cli, target: str) -> None:
    from lastseen.datadir import serve_lock

    with serve_lock(cli.folder / "lastseen.db"):
        done = cli("db", "copy", file_of(cli), target)
    assert done.code == 1
    assert "is served already" in done.err
