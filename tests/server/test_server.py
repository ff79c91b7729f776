"""The server as its clients see it: over HTTP, with a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.report import MAX_BYTES
from tests.server.conftest import HEARTBEAT, Served, a_server
from tests.support import eventually


async def test_a_heartbeat_is_stored_before_it_is_acknowledged(served: Served) -> None:
    key = await served.machine("web-1")
    answer = await served.beat(key)
    assert (answer.status_code, answer.content) == (204, b"")
    standing = await served.standing("web-1")
    assert standing.liveness.last_seen is not None


async def test_a_machine_becomes_online_and_sees_its_own_status(served: Served) -> None:
    key = await served.machine("web-1")
    await served.machine("web-2")
    assert (await served.get("/api/v1/machines/web-1/status", key)).json()["status"] == "provisioning"
    assert (await served.beat(key, b'{"uptime_seconds": 5}')).status_code == 204

    async def online() -> bool:
        return (await served.get("/api/v1/devices/web-1/status", key)).json()["status"] == "online"

    await eventually(online)
    status = (await served.get("/api/v1/machines/web-1/status", key)).json()
    assert set(status) == {
        "id", "slug", "name", "status", "late", "awaited", "last_seen", "status_since", "since",
        "offline_after_seconds", "seconds_until_offline", "notified_at", "sources", "group", "flapping_since",
    }  # fmt: skip
    assert (status["slug"], status["sources"], status["offline_after_seconds"]) == ("web-1", ["http"], 120)
    assert status["last_seen"].endswith("Z")


async def test_a_machines_key_shows_itself_only_and_an_api_key_all(served: Served) -> None:
    mine, _ = await served.machine("web-1"), await served.machine("web-2")
    api = await served.key("api")
    for path in ("/api/v1/machines/web-2/status", "/api/v1/machines/nobody/status"):
        assert (await served.get(path, mine)).status_code == 403
    assert (await served.get("/api/v1/machines/web-2/status", api)).json()["slug"] == "web-2"
    assert (await served.get("/api/v1/machines/nobody/status", api)).status_code == 404
    assert (await served.get("/api/v1/machines/web-1/status")).status_code == 401
    assert (await served.get("/api/v1/machines/web-1/status", "lsm_wrong")).status_code == 401
    fleet = await served.key("fleet")
    assert (await served.get("/api/v1/machines/web-1/status", fleet)).status_code == 403


async def test_digits_are_tried_as_a_slug_and_then_as_an_id(served: Served) -> None:
    api = await served.key("api")
    await served.machine("first")
    await served.machine("2")
    third = await served.machine("third")
    assert (await served.get("/api/v1/machines/1/status", api)).json()["slug"] == "first"
    assert (await served.get("/api/v1/machines/2/status", api)).json()["slug"] == "2"
    assert (await served.get("/api/v1/machines/3/status", third)).json()["slug"] == "third"
    for nobody in ("99", "9" * 40, "-1", "%00", "%ED%A0%80", "a%20b", "%C2%B2"):
        assert (await served.get(f"/api/v1/machines/{nobody}/status", api)).status_code == 404


async def test_a_key_of_another_scope_sends_no_heartbeats(served: Served) -> None:
    for scope in ("api", "fleet"):
        answer = await served.beat(await served.key(scope))
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_rotated_key_is_good_until_the_new_one_is_used(served: Served) -> None:
    old = await served.machine("web-1")
    assert (await served.beat(old)).status_code == 204
    standing = await served.standing("web-1")
    new = await served.key("machine", machine_id=standing.machine.id, replaces=True)
    assert (await served.beat(old)).status_code == 204
    assert (await served.beat(new)).status_code == 204
    assert (await served.beat(old)).status_code == 401, "at once, as it was this server that saw the new one"
    assert (await served.beat(new)).status_code == 204


async def test_a_key_that_another_process_revokes_is_refused_within_a_second(served: Served) -> None:
    key = await served.machine("web-1")
    assert (await served.beat(key)).status_code == 204
    [row] = await served.other.keys()
    await served.other.revoke_key(row.id, served.app.monitor.clock.now())

    async def refused() -> bool:
        return (await served.beat(key)).status_code == 401

    await eventually(refused)


async def test_a_machine_that_is_disabled_elsewhere_is_refused_and_enabled_again(served: Served) -> None:
    key = await served.machine("web-1")
    assert (await served.beat(key)).status_code == 204
    await served.app.monitor.disable("web-1")

    async def answers(status: int) -> bool:
        return (await served.beat(key)).status_code == status

    await eventually(lambda: answers(403))
    assert (await served.get("/api/v1/machines/web-1/status", key)).status_code == 403
    await served.app.monitor.enable("web-1")
    await eventually(lambda: answers(204))


async def test_a_removed_machines_key_is_refused(served: Served) -> None:
    key = await served.machine("web-1")
    assert (await served.beat(key)).status_code == 204
    await served.app.monitor.forget("web-1")

    async def refused() -> bool:
        return (await served.beat(key)).status_code in (401, 404)

    await eventually(refused)


async def test_a_key_that_has_expired_is_refused(served: Served) -> None:
    now = served.app.monitor.clock.now()
    key = await served.machine("web-1", expires_at=now - timedelta(seconds=1))
    assert (await served.beat(key)).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[1]", 400),
        (b'{"status":"fine"}', 422),
        (b'{"message":"\\u0000"}', 422),
        (b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}", 422),
        (b'{"message":"' + b"x" * MAX_BYTES + b'"}', 413),
        (b"x" * 3_000_000, 413),
    ],
)
async def test_what_cannot_be_taken_is_told_and_changes_nothing(served: Served, body: bytes, status: int) -> None:
    key = await served.machine("web-1")
    answer = await served.beat(key, body)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert (await served.get("/api/v1/machines/web-1/status", key)).json()["last_seen"] is None


async def test_a_chunked_body_is_taken_and_a_too_long_one_refused(served: Served) -> None:
    key = await served.machine("web-1")
    headers = {"X-API-Key": key}

    async def parts(count: int) -> AsyncIterator[bytes]:
        yield b'{"message":"'
        for _ in range(count):
            yield b"x" * 1000
        yield b'"}'

    assert (await served.http.post(HEARTBEAT, content=parts(3), headers=headers)).status_code == 204
    assert (await served.http.post(HEARTBEAT, content=parts(100), headers=headers)).status_code == 413
    assert (await served.beat(key)).status_code == 204


async def test_a_slow_client_keeps_nobody_waiting(served: Served) -> None:
    key = await served.machine("web-1")
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"POST {HEARTBEAT} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: 15\r\n\r\n"
    writer.write(head.encode() + b'{"status":')
    await writer.drain()
    for _ in range(20):
        assert (await served.beat(key)).status_code == 204
    writer.write(b'"ok"}')
    assert (await reader.readline()).startswith(b"HTTP/1.1 204")
    writer.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_answered_sanely(served: Served, method: str) -> None:
    answer = await served.http.request(method, HEARTBEAT)
    assert answer.status_code == (204 if method == "OPTIONS" else 405)
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("POST", "/readyz", 405), ("GET", f"{HEARTBEAT}/", 404),
     ("DELETE", "/api/v1/machines/x/status", 405), ("GET", "/docs", 404), ("GET", "/redoc", 404)],
)  # fmt: skip
async def test_the_frameworks_own_errors_are_problems_too(served: Served, method: str, path: str, status: int) -> None:
    answer = await served.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"]


async def test_the_document_describes_the_route_that_is_served_outside_the_framework(served: Served) -> None:
    document = (await served.get("/api/v1/openapi.json")).json()
    operation = document["paths"][HEARTBEAT]["post"]
    assert {"204", "400", "401", "403", "404", "413", "422", "503"} <= set(operation["responses"])
    assert operation["requestBody"]["content"]["application/json"]["examples"]
    assert {"Report", "ProblemDetails", "FieldError", "MachineStatus"} <= set(document["components"]["schemas"])
    for name in ("machines", "devices"):
        assert f"/api/v1/{name}/{{id}}/status" in document["paths"]
    references = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
    assert references <= set(document["components"]["schemas"])


async def test_it_is_healthy_and_ready(served: Served) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await served.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_it_is_ready_and_says_so_where_nobody_can_be_told(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    await served.machine("web-1")
    monkeypatch.setattr(served.app.monitor._loops._alarms.own, "_next", 0.0)

    async def noted() -> bool:
        answer = await served.get("/readyz")
        assert answer.status_code == 200
        expected = {"status": "ok", "notes": ["no channel is switched on: nobody can be told"]}
        return bool(answer.json() == expected)

    await eventually(noted)


async def test_it_says_which_part_is_not_ready(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone() -> None:
        raise StoreUnavailable("disk")

    monkeypatch.setattr(served.app.store, "next_check", gone)
    served.app.accepting = False
    answer = await served.get("/readyz")
    assert answer.status_code == 503
    assert set(answer.json()["parts"]) == {"heartbeats", "store"}
    monkeypatch.undo()
    served.app.accepting = True
    await served.app.monitor.stop()
    await served.app.store.open()  # type: ignore[attr-defined]  # stopping the monitor closed it
    assert set((await served.get("/readyz")).json()["parts"]) == {"monitor"}
    assert (await served.get("/healthz")).status_code == 200


async def test_a_heartbeat_while_the_monitor_is_stopped_is_503(served: Served) -> None:
    key = await served.machine("web-1")
    assert (await served.beat(key)).status_code == 204
    await served.app.monitor.stop()
    answer = await served.beat(key)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_what_is_in_flight_is_finished_when_it_stops(tmp_path: Path) -> None:
    async with a_server(tmp_path) as served:
        key = await served.machine("web-1")
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        head = f"POST {HEARTBEAT} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: 15\r\n\r\n"
        writer.write(head.encode() + b'{"status":')
        await writer.drain()
        await served.beat(key)
        served.stop.set()

        async def refused() -> bool:
            try:
                _, other = await asyncio.open_connection("127.0.0.1", served.port)
            except (ConnectionRefusedError, ConnectionResetError):
                return True
            other.close()
            return False

        await eventually(refused)
        writer.write(b'"ok"}')
        assert (await reader.readline()).startswith(b"HTTP/1.1 204")
        writer.close()
    assert not served.app.monitor.running


async def test_many_heartbeats_at_once_are_all_stored(served: Served) -> None:
    keys = [await served.machine(f"m{n}") for n in range(20)]
    answers = await asyncio.gather(*(served.beat(key) for key in keys for _ in range(5)))
    assert {answer.status_code for answer in answers} == {204}
    known = await served.other.liveness([f"m{n}" for n in range(20)])
    assert all(standing.liveness.last_seen for standing in known.values())
