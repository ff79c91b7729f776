"""The application in this process, on a real database, with a clock whose hands are moved by the test, and browsers at
addresses of the test's choice."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import psycopg
from fastapi import APIRouter, Depends

from lastseen.app import App
from lastseen.ingest.auth import digest_of, new_key
from lastseen.ingest.gate import by_itself
from lastseen.manage import passwords
from lastseen.manage.who import Who
from lastseen.model.people import User
from lastseen.protocols import Service
from lastseen.settings import Settings
from lastseen.web.throttle import Throttle
from lastseen.web.who import who_of
from tests.fresh import new_database
from tests.secrecy import secret
from tests.server.fakes import HandClock

HOST = "status.example"
HERE = f"http://{HOST}"
ADDRESS = "198.51.100.9"
PASSWORD = secret("correct horse battery")

_hashes: dict[str, str] = {}

asking = APIRouter()


@asking.api_route("/test/who", methods=["GET", "POST", "DELETE"])
async def who_asks(who: Annotated[Who, Depends(who_of)]) -> dict[str, object]:
    return {"name": who.name, "role": who.role, "id": who.user_id, "writes": who.writes, "through": who.through}


@dataclass
class Site:
    """What is served, and the store under it."""

    app: App
    clock: HandClock
    noted: int = 0
    """Lines of the audit log that a test has seen."""

    @property
    def store(self) -> Any:
        return self.app.store

    def empty(self) -> None:
        """Without the people, keys, links and lines of the tests before, and without their wrong passwords."""
        with self._database() as db:
            for table in ("users", "link_tokens", "audit_log", "machine_api_keys"):
                db.execute(f"DELETE FROM {table}")
        entrance = self.app.api.state.entrance
        entrance.throttle = Throttle(by_itself, self.clock.monotonic)
        self.noted = 0

    @contextmanager
    def _database(self) -> Iterator[Any]:
        """Beside the server, whichever it is."""
        url = self.app.settings.database
        if url.startswith("postgresql:"):
            with psycopg.connect(url) as there:
                yield there
            return
        with closing(sqlite3.connect(self.app.settings.data_dir / "lastseen.db", timeout=60)) as here, here:
            here.execute("PRAGMA foreign_keys = ON")
            yield here

    def kept(self) -> str:
        """Everything that is written down, as text: the file and its log as they are, or the rows of people."""
        files = [*self.app.settings.data_dir.glob("lastseen.db*")]
        if files:
            return "".join(file.read_bytes().decode("latin-1") for file in files)
        tables = ("users", "sessions", "link_tokens", "audit_log", "machine_api_keys", "meta")
        with self._database() as db:
            return str([db.execute(f"SELECT * FROM {table}").fetchall() for table in tables])

    def browser(self, address: str = ADDRESS, *, tls: bool = False, **headers: str) -> httpx.AsyncClient:
        """One that says where its requests come from, as browsers do for addresses without TLS."""
        base = HERE.replace("http:", "https:") if tls else HERE
        transport = httpx.ASGITransport(self.app, client=(address, 4711), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=base, headers={"Origin": base, **headers})

    async def person(self, name: str = "ada", role: str = "admin", password: str | None = PASSWORD) -> User:
        stored = None if password is None else await hash_of(password)
        user: User = await self.store.add_user(name, role, stored, self.clock.now())
        return user

    async def key(self, **more: Any) -> str:
        key = new_key("api")
        await self.store.add_key("api", key.digest, key.hint, self.clock.now(), **more)
        return secret(key.text)

    async def link(self, purpose: str, user: int | None = None, token: str = "t" * 43) -> str:
        now = self.clock.now()
        await self.store.add_link(purpose, digest_of(token), user, now, now.replace(year=now.year + 1))
        return secret(token)

    async def sessions(self) -> int:
        return len(await self.store.sessions(None, self.clock.now()))


async def hash_of(password: str) -> str:
    """Made once: it is slow on purpose."""
    if password not in _hashes:
        _hashes[password] = await passwords.hashed(password)
    return _hashes[password]


@asynccontextmanager
async def a_site(folder: Path, **given: Any) -> AsyncIterator[Site]:
    """On SQLite, unless `database_url` names a database that has its tables."""
    if "database_url" not in given:
        new_database(folder / "lastseen.db")
    clock = HandClock()
    app = App(Settings.load(data_dir=folder, **given), clock=clock)
    app.api.include_router(asking)
    assert isinstance(app.store, Service)
    await app.store.open()
    try:
        yield Site(app, clock)
    finally:
        await app.notifiers.close()
        await app.store.close()


async def log_in(
    browser: httpx.AsyncClient, name: str = "ada", password: str = PASSWORD, **form: str
) -> httpx.Response:
    return await browser.post("/login", data={"name": name, "password": password, **form})


def session_of(browser: httpx.AsyncClient) -> str:
    """The token in its cookie."""
    return secret(next(cookie.value or "" for cookie in browser.cookies.jar if "lastseen" in cookie.name))
