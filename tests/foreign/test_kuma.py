"""Uptime Kuma's push address."""

from __future__ import annotations

import json

import pytest

from tests.foreign.conftest import Pinged

GONE = {"ok": False, "msg": "Monitor not found or not active."}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE"])
async def test_any_method_is_a_push(pinged: Pinged, method: str) -> None:
    answer = await pinged.ask(f"/api/push/{pinged.token}?status=up&msg=OK&ping=", method)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    if method != "HEAD":
        assert answer.content == b'{"ok":true}'
    assert (await pinged.standing()).liveness.last_seen is not None
    await pinged.becomes("online")


@pytest.mark.parametrize(
    ("query", "kind", "body"),
    [
        ("", "ok", None),
        ("?status=&msg=&ping=", "ok", None),
        ("?status=up&msg=OK&ping=0", "ok", None),
        ("?status=up&msg=OK&ping=12.5", "ok", {"message": "OK", "ping": 12.5}),
        ("?ping=100000000000", "ok", {"message": "OK", "ping": 1e11}),
        ("?ping=fast", "ok", None),
        ("?ping=12ms", "ok", {"message": "OK", "ping": 12}),
        ("?status=down", "error", {"message": "OK"}),
        ("?status=UP", "error", {"message": "OK"}),
        ("?status=down&msg=disk%20full%00", "error", {"message": "disk full\ufffd"}),
        ("?msg=gr%C3%B6%C3%9Fe&x=1", "ok", {"message": "größe"}),
    ],
)
async def test_the_query_is_what_counts(pinged: Pinged, query: str, kind: str, body: dict[str, object] | None) -> None:
    answer = await pinged.ask(f"/api/push/{pinged.token}{query}", "POST", content=b'{"status":"down"}')
    assert (answer.status_code, answer.content) == (200, b'{"ok":true}')
    (report,) = pinged.reports()
    assert report["kind"] == kind
    assert (None if report["body"] is None else json.loads(report["body"])) == body
    await pinged.becomes("error" if kind == "error" else "online")


@pytest.mark.parametrize(
    "path",
    [
        "/api/push/", "/api/push/wrong", "/api/push/lsu_wrong", "/api/push/{token}x", "/api/push/{token}/more",
        "/api/push/{uuid}", "/api/push/{key}", "/api/push/{project}", "/api/push/{token}?ping=-1",
        "/api/push/{token}?ping=100000000001", "/api/push/{token}?ping=Infinity", "/api/push/%00%ff",
    ],
)  # fmt: skip
async def test_every_error_is_the_same_404(pinged: Pinged, path: str) -> None:
    answer = await pinged.ask(path.format(token=pinged.token, uuid=pinged.uuid, key=pinged.key, project=pinged.project))
    assert (answer.status_code, answer.json()) == (404, GONE)
    assert (await pinged.standing()).liveness.last_seen is None


async def test_a_slash_at_the_end_does_not_matter(pinged: Pinged) -> None:
    assert (await pinged.ask(f"/api/push/{pinged.token}/")).json() == {"ok": True}


async def test_a_disabled_machine_is_not_active(pinged: Pinged) -> None:
    await pinged.served.app.monitor.disable("backup")
    pinged.served.app.keys.forget()
    answer = await pinged.ask(f"/api/push/{pinged.token}")
    assert (answer.status_code, answer.json()) == (404, GONE)


async def test_while_the_store_cannot_take_it_a_client_is_told_to_come_again(pinged: Pinged) -> None:
    assert (await pinged.ask(f"/api/push/{pinged.token}")).status_code == 200
    await pinged.served.app.monitor.stop()
    answer = await pinged.ask(f"/api/push/{pinged.token}")
    assert (answer.status_code, answer.json()["ok"]) == (503, False)
    assert int(answer.headers["retry-after"]) > 0
