"""Pages and API on a database that keeps everybody waiting: whoever asks is answered, and nothing piles up."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from lastseen.errors import StoreUnavailable
from lastseen.manage.beside import drawn
from lastseen.storage import sqlite, workers
from lastseen.storage.visitors import visiting
from lastseen.web import in_time
from lastseen.web.dashboard import happenings
from tests.support import eventually
from tests.web.site import Site, log_in

pytestmark = pytest.mark.anyio


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """Another process writes, and does not end."""
    with closing(sqlite3.connect(site.app.settings.data_dir / "lastseen.db", timeout=60, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database waits for longer than any test."""
    monkeypatch.setattr(sqlite, "PATIENCE", 3600.0)


def test_everybody_is_answered_as_soon_as_the_docs_say() -> None:
    """The tests below are less patient."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    assert f"An answer begins within {in_time.PATIENCE:g} seconds" in page
    assert f"{in_time.MOST:,} requests may wait at once" in page


async def test_a_page_is_shown_while_nobody_can_write_down_that_its_session_is_used(site: Site) -> None:
    await site.person()
    async with site.browser() as browser:
        await log_in(browser)
        site.clock.seconds += 3600
        with locked(site), anyio.fail_after(60):
            assert (await browser.get("/")).status_code == 200
            assert (await browser.get("/")).status_code == 200

        async def written() -> bool:
            [(session, _)] = await site.store.sessions(None, site.clock.now())
            return bool(session.used_at == site.clock.now())

        await eventually(written)


async def test_what_cannot_be_done_in_time_is_answered_503_and_not_done_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.person()
    key = {"X-API-Key": await site.key(may="write")}
    async with site.browser() as browser, site.browser() as api:
        await log_in(browser)
        assert (await api.post("/api/v1/machines", json={"slug": "before"}, headers=key)).status_code == 201
        monkeypatch.setattr(in_time, "PATIENCE", 0.3)
        with locked(site), anyio.fail_after(60):
            held = await api.post("/api/v1/machines", json={"slug": "one-that-is-begun"}, headers=key)
            later = await api.post("/api/v1/machines", json={"slug": "later"}, headers=key)
            page = await browser.post("/machines/new", data={"name": "Later", "slug": "later-still"})
            assert (await api.get("/api/v1/machines", headers=key)).status_code == 200
        for answer in (held, later, page):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "may have been done" in answer.text
        assert held.headers["content-type"] == "application/problem+json"
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["content-security-policy"]
        monkeypatch.undo()
        assert (await api.post("/api/v1/machines", json={"slug": "after"}, headers=key)).status_code == 201
        found = {one["slug"] for one in (await api.get("/api/v1/machines", headers=key)).json()["items"]}
        assert found - {"one-that-is-begun"} == {"before", "after"}


ALL = {"name": "x", "lasting": "1h", "machines": {"all": True}}


async def test_so_many_may_wait_and_no_more_and_whether_it_is_well_is_answered_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"X-API-Key": await site.key(may="write")}
    monkeypatch.setattr(in_time, "MOST", 3)
    answers: list[httpx.Response] = []

    async def ask() -> None:
        answers.append(await browser.post("/api/v1/silences", json=ALL, headers=key))

    async with site.browser() as browser:
        with locked(site), anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(ask)
                await eventually(lambda: len(answers) == 2)
                assert {one.status_code for one in answers} == {503}
                assert {one.headers["retry-after"] for one in answers} == {"1"}
                assert (await browser.get("/healthz")).status_code == 200
                group.cancel_scope.cancel()
        assert (await browser.get("/api/v1/machines", headers=key)).status_code == 200


async def test_however_many_pages_are_read_keys_and_deadlines_are_not_behind_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await site.key(may="read")
    assert await site.app.keys.find(key.encode(), site.clock.now()), "used once: nothing is to be written"
    over = threading.Event()
    async with site.browser() as browser, anyio.create_task_group() as group:

        async def look() -> None:
            with visiting():
                await site.store.database.read(lambda connection: over.wait(120))

        for _ in range(20):
            group.start_soon(look)
        await anyio.wait_all_tasks_blocked()
        try:
            with anyio.fail_after(60):
                await site.store.next_check()
                site.clock.seconds += 10
                monkeypatch.setattr(in_time, "PATIENCE", 0.3)
                answer = await browser.get("/api/v1/machines", headers={"X-API-Key": key})
                assert answer.status_code == 503, "it is behind them: so it is a visit"
                site.app.keys.forget()
                site.clock.seconds += 10
                assert await site.app.keys.find(key.encode(), site.clock.now())
        finally:
            over.set()
    assert await site.store.next_check() is None


async def test_an_error_is_shown_while_pages_wait_to_be_drawn(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    async with site.browser() as browser, anyio.create_task_group() as group:
        group.start_soon(drawn, lambda: over.wait(120))
        await anyio.wait_all_tasks_blocked()
        monkeypatch.setattr(in_time, "PATIENCE", 0.3)
        try:
            with anyio.fail_after(60):
                answer = await browser.get("/login")
        finally:
            over.set()
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.headers["content-type"].startswith("text/html")


async def test_so_many_files_of_events_are_written_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await site.person()
    async with site.browser() as browser:
        await log_in(browser)
        monkeypatch.setattr(happenings, "AT_ONCE", 1)
        for _ in range(3):
            assert (await browser.get("/events.csv")).status_code == 200, "the one before has made room"
        monkeypatch.setattr(happenings, "AT_ONCE", 0)
        refused = await browser.get("/events.csv")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


async def test_what_waits_for_the_database_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    over = threading.Event()

    def reading(_: object) -> None:
        begun.append(1)
        over.wait(120)

    async with anyio.create_task_group() as group:
        for _ in range(sqlite.READERS):
            group.start_soon(site.store.database.read, reading)
        await eventually(lambda: len(begun) == sqlite.READERS)
        monkeypatch.setattr(workers, "MOST_WAITING", 3)
        for _ in range(3):
            group.start_soon(site.store.database.read, reading)
        await anyio.wait_all_tasks_blocked()
        try:
            with anyio.fail_after(60), pytest.raises(StoreUnavailable):
                await site.store.next_check()
        finally:
            over.set()
    assert await site.store.next_check() is None
