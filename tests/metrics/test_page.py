"""Who may read the page, and what it says when the store says nothing."""

from __future__ import annotations

import socket
from pathlib import Path

import anyio
import pytest

from lastseen.errors import StoreUnavailable
from lastseen.web import metrics
from tests.metrics.scrape import Page
from tests.server.conftest import Served, a_server


@pytest.mark.parametrize(
    ("who", "alone", "forwarded", "api", "machine", "wrong"),
    [
        ("off", 404, 404, 404, 404, 404),
        ("key", 401, 401, 200, 403, 401),
        ("local", 200, 401, 200, 403, 401),
        ("public", 200, 200, 200, 200, 200),
    ],
)
async def test_who_may_read_it(
    tmp_path: Path, who: str, alone: int, forwarded: int, api: int, machine: int, wrong: int
) -> None:
    async with a_server(tmp_path, metrics=who) as served:
        keys = [await served.key("api"), await served.machine("web-1"), "lsa_" + "x" * 43]
        answers = [(await served.get("/metrics", key)).status_code for key in (None, *keys)]
        assert answers == [alone, api, machine, wrong]
        for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
            answer = await served.http.get("/metrics", headers={header: "203.0.113.7"})
            assert answer.status_code == forwarded, header


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("127.0.0.1", 200),
        ("[::1]", 200),
        ("localhost", 200),
        ("nas", 200),
        ("lastseen.localhost", 200),
        (socket.gethostname(), 200),
        ("rebound.example.org", 401),
        ("127.0.0.1.example.org", 401),
        ("localhost.example.org.", 401),
    ],
)
async def test_from_here_it_is_read_by_a_name_of_here(served: Served, name: str, status: int) -> None:
    for port in ("", ":8383"):
        answer = await served.http.get("/metrics", headers={"Host": name + port})
        assert answer.status_code == status


async def test_the_page_comes_without_the_stores_numbers_when_the_store_is_away(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(now: object) -> None:
        raise StoreUnavailable("disk")

    monkeypatch.setattr(served.app.store, "gauges", gone)
    answer = await served.get("/metrics")
    page = Page(answer.text, answer.headers["content-type"])
    assert answer.status_code == 200
    assert page["lastseen_store_up"] == 0
    assert page["lastseen_monitor_running"] == 1
    assert "lastseen_machines" not in page.families
    assert "lastseen_heartbeats" in page.families


async def test_a_store_that_hangs_keeps_the_page_waiting_for_a_moment_only(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "PATIENCE", 0.05)
    monkeypatch.setattr(served.app.store, "gauges", lambda now: anyio.sleep_forever())
    with anyio.fail_after(60):
        answer = await served.get("/metrics")
    assert Page(answer.text, answer.headers["content-type"])["lastseen_store_up"] == 0


async def test_however_many_scrape_at_once_the_store_is_asked_once(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ask = [], served.app.store.gauges  # type: ignore[attr-defined]

    async def counting(now: object) -> object:
        asked.append(now)
        return await ask(now)

    monkeypatch.setattr(served.app.store, "gauges", counting)
    answers: list[int] = []

    async def scrape() -> None:
        answers.append((await served.get("/metrics")).status_code)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(scrape)
    assert answers == [200] * 20
    assert len(asked) == 1
