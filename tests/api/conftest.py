"""The management API in the loop of the test: a whole server, of which only the socket is left out."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from lastseen.app import App
from lastseen.ingest.auth import new_key
from lastseen.settings import Settings
from lastseen.testing import FakeClock
from tests.api.named import hold_to_schema, read_document
from tests.fresh import new_database

URL = "http://lastseen.test"
ADDRESS = itertools.count(1)


@dataclass
class Api:
    """A server with nobody in it, and a client that asks it with `key`."""

    app: App
    http: httpx.AsyncClient
    clock: FakeClock
    key: str = ""
    keys: dict[str, str] = field(default_factory=dict)

    async def new_key(self, scope: str = "api", **more: Any) -> str:
        key = new_key(scope)
        await self.app.store.add_key(scope, key.digest, key.hint, self.clock.now(), **more)
        return key.text

    async def ask(self, method: str, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        with_key = self.key if key is None else key
        headers = {**({"Authorization": f"Bearer {with_key}"} if with_key else {}), **more.pop("headers", {})}
        full = path if path.startswith("/api/") else f"/api/v1{path}"
        return await self.http.request(method, full, headers=headers, **more)

    async def get(self, path: str, **more: Any) -> Any:
        return self._value(await self.ask("GET", path, **more))

    async def post(self, path: str, **more: Any) -> Any:
        return self._value(await self.ask("POST", path, **more))

    async def patch(self, path: str, **more: Any) -> Any:
        return self._value(await self.ask("PATCH", path, **more))

    async def put(self, path: str, **more: Any) -> Any:
        return self._value(await self.ask("PUT", path, **more))

    async def delete(self, path: str, **more: Any) -> Any:
        return self._value(await self.ask("DELETE", path, **more))

    async def add(self, slug: str, **more: Any) -> Any:
        return await self.post("/machines", json={"slug": slug, **more})

    async def pages(self, path: str, **params: Any) -> list[list[Any]]:
        """The items of each page."""
        found: list[list[Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(path, params={**params, **cursor})
            found.append(page["items"])
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    async def refused(self, method: str, path: str, status: int, **more: Any) -> Any:
        """The problem that it is refused with."""
        answer = await self.ask(method, path, **more)
        assert answer.status_code == status, (answer.status_code, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        said = answer.json()
        assert said["status"] == status
        return said

    @staticmethod
    def _value(answer: httpx.Response) -> Any:
        assert answer.is_success, (answer.status_code, answer.text)
        assert answer.headers["content-type"] == "application/json"
        return answer.json()


@asynccontextmanager
async def an_api(folder: Path, **given: Any) -> AsyncIterator[Api]:
    new_database(folder / "lastseen.db")
    clock = FakeClock()
    app = App(Settings.load(data_dir=folder, **given), clock=clock)
    transport = httpx.ASGITransport(app, client=(f"192.0.2.{next(ADDRESS) % 250 + 1}", 4000))
    held = {"response": [hold_to_schema]}
    async with app.running(), httpx.AsyncClient(transport=transport, base_url=URL, event_hooks=held) as http:
        await read_document(http)
        api = Api(app, http, clock)
        api.key = await api.new_key(may="write")
        yield api


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path, public_url="https://status.example.org", rate_limit="off") as made:
        yield made
