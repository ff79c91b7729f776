"""One server and its database, asked by commands that have the database, and by others that only know the address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from lastseen.clock import SystemClock
from lastseen.ingest.auth import digest_of
from lastseen.storage import open_store
from tests.cli.conftest import Cli, Done
from tests.cli.test_replay import give_up
from tests.fresh import new_database
from tests.support import until

SILENT = ["pump-01", "pump-02", "pump-03"]


@dataclass
class Both:
    """`here` has the database, `there` the address and a key that may everything; neither knows what the other does."""

    here: Cli
    there: Cli
    url: str
    files: Path

    def ask(self, *arguments: str, may: str = "write", server: str | None = None) -> Done:
        """The command with --server."""
        key = str(self.files / may)
        return self.there("--server", server or self.url, "--api-key-file", key, *arguments)

    def key(self, name: str, *arguments: str) -> str:
        """A file with a new key in it."""
        text = self.here.json("keys", "add", "api", *arguments)["key"]
        (self.files / name).write_text(text + "\n")
        return str(text)


async def log_in(cli: Cli, name: str) -> None:
    """A user, who is logged in twice."""
    store, now = open_store(f"sqlite:///{cli.folder / 'lastseen.db'}", migrate="check"), SystemClock().now()
    await store.open()  # type: ignore[attr-defined]
    user = await store.add_user(name, "member", None, now)  # type: ignore[attr-defined]
    for token in "ab":
        until = now + timedelta(days=30)
        await store.begin_session(  # type: ignore[attr-defined]
            user.id, digest_of(token), now, until, "192.0.2.7", "a browser"
        )
    await store.close()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("client")
    (folder / "data").mkdir(0o700)
    (folder / "files").mkdir()
    new_database(folder / "data" / "lastseen.db")
    env = {"LASTSEEN_PUBLIC_URL": "https://status.example.org", "LASTSEEN_TIMEZONE": "Europe/Berlin"}
    here, there = Cli(folder / "data", env), Cli(folder / "nothing", {"LASTSEEN_TIMEZONE": "Europe/Berlin"})
    for name in ("ops", "boss"):
        here.json("channels", "add", "console", "--name", name)
    asyncio.run(give_up(here, SILENT))
    asyncio.run(log_in(here, "ada"))
    here.json("status-pages", "add", "shop", "--machine", "pump-01=Pump", "--group", "web", "--tag", "t=T", "--all")
    here.json("badges", "add", "--machine", "pump-01")
    with here.serving() as url:
        two = Both(here, there, url, folder / "files")
        two.key("write", "--may", "write")
        two.key("read")
        here.json("users", "add", "vic", "--role", "viewer")
        two.key("viewer", "--may", "write", "--user", "vic")
        two.ask("kinds", "list")
        until(lambda: here.json("keys", "list")[0]["first_used_at"], "that its key was used is written")
        yield two
    assert not (folder / "nothing").exists(), "whoever asks a server makes no files"
