"""What every way in says when it is our trouble, or too much: in the words that its own clients know."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from lastseen.ingest import asgi
from tests.foreign.conftest import Pinged, prepared
from tests.server.conftest import a_server
from tests.server.line import head, line
from tests.support import eventually

NUMBERS = b'{"cpu_pct": 1, "mem_used_pct": 1, "disk_used_pct": 1}'


def a_problem(status: int, answer: Any) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert (said["status"], bool(said["title"]), bool(said["detail"])) == (status, True, True)


def plain_text(status: int, answer: Any) -> None:
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text
    assert "no-cache" in answer.headers["cache-control"]


def kumas(status: int, answer: Any) -> None:
    said = answer.json()
    assert (said["ok"], bool(said["msg"]), set(said)) == (False, True, {"ok", "msg"})


def an_error(status: int, answer: Any) -> None:
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error"}


WAYS: dict[str, tuple[str, bytes, Callable[[int, Any], None]]] = {
    "heartbeat": ("/api/v1/heartbeat", b"{}", a_problem),
    "heartbeats": ("/api/v1/heartbeats", b'[{"machine": "backup"}]', a_problem),
    "ping": ("/ping/{uuid}", b"done", plain_text),
    "ping by slug": ("/ping/{project}/backup/fail", b"done", plain_text),
    "push": ("/api/push/{token}?status=up", b"", kumas),
    "agent": ("/agent/metrics", NUMBERS, an_error),
}
every_way = pytest.mark.parametrize("way", WAYS)


async def send(pinged: Pinged, way: str) -> tuple[Any, Callable[[int, Any], None]]:
    path, body, form = WAYS[way]
    key = pinged.fleet if way == "heartbeats" else pinged.key
    made = path.format(uuid=pinged.uuid, project=pinged.project, token=pinged.token)
    return await pinged.ask(made, "POST", content=body, headers={"X-API-Key": key}), form


@every_way
async def test_when_it_cannot_be_stored_clients_are_told_to_come_again(pinged: Pinged, way: str) -> None:
    assert (await send(pinged, way))[0].status_code < 300
    await pinged.served.app.monitor.stop()
    answer, form = await send(pinged, way)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    form(503, answer)


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Pinged]:
    async with a_server(tmp_path, rate_limit="1/hour") as served:
        yield await prepared(served, tmp_path)


@every_way
async def test_when_it_is_too_often_clients_are_told_when_to_come_again(limited: Pinged, way: str) -> None:
    assert (await send(limited, way))[0].status_code < 300
    await eventually(lambda: not any(report["pending"] for report in limited.reports()))
    before, reports = (await limited.standing()).liveness.last_seen, limited.reports()
    answer, form = await send(limited, way)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    form(429, answer)
    assert ((await limited.standing()).liveness.last_seen, limited.reports()) == (before, reports)


@pytest.mark.parametrize("way", ["heartbeat", "heartbeats", "ping", "agent"])
async def test_a_body_that_does_not_arrive_is_408_and_nothing_is_kept(
    pinged: Pinged, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "PATIENCE", 0.2)
    path, _, _ = WAYS[way]
    key = pinged.fleet if way == "heartbeats" else pinged.key
    async with line(pinged.served) as slowly:
        await slowly.say(head(key, "Content-Length: 9", path=path.format(uuid=pinged.uuid)) + b"{")
        status, headers, body = await slowly.answer()
        assert (status, headers["connection"]) == (408, "close")
        assert b"0.2 s" in body
        assert await slowly.rest() == b""
    assert (await pinged.standing()).liveness.last_seen is None
    assert pinged.reports() == []


async def test_the_refusals_of_others_are_theirs_to_the_byte(pinged: Pinged) -> None:
    said = {
        path: (await pinged.ask(path, "POST", content=body, headers={"X-API-Key": pinged.key})).content
        for path, body in (
            ("/ping/0b3e6f6a-8d0e-4d56-a3c5-1f0b7a4c2f11", b""),
            (f"/ping/{pinged.uuid}/256", b""),
            (f"/ping/{pinged.uuid}?rid=1", b""),
            ("/api/push/nothing", b""),
            ("/agent/metrics", json.dumps({"cpu_pct": 101}).encode()),
        )
    }
    assert list(said.values()) == [
        b"not found",
        b"invalid url format",
        b"invalid uuid format",
        b'{"ok":false,"msg":"Monitor not found or not active."}',
        b'{"error":"cpu_pct must be between 0 and 100"}',
    ]
