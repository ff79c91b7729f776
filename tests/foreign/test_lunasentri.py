"""LunaSentri's agent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.foreign.conftest import Pinged

AS_SENT = {
    "cpu_pct": 12.3456,
    "mem_used_pct": 45.5,
    "disk_used_pct": 78,
    "net_rx_bytes": 123456789,
    "net_tx_bytes": 987654,
    "uptime_s": 86400.5,
    "system_info": {
        "hostname": "db-01", "platform": "debian", "platform_version": "12.5", "kernel_version": "6.1.0-18-amd64",
        "cpu_cores": 4, "memory_total_mb": 7972, "disk_total_gb": 98, "last_boot_time": "2025-10-09T08:00:00Z",
    },
}  # fmt: skip


async def send(pinged: Pinged, body: Any, key: str | None = None, header: str = "X-API-Key") -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    value = key or pinged.key
    headers = {"Content-Type": "application/json", header: value if header == "X-API-Key" else f"Bearer {value}"}
    return await pinged.ask("/agent/metrics", "POST", content=content, headers=headers)


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
async def test_metrics_are_a_heartbeat_and_kept(pinged: Pinged, header: str) -> None:
    answer = await send(pinged, AS_SENT, header=header)
    assert (answer.status_code, answer.content) == (202, b"")
    assert json.loads(pinged.latest() or "") == AS_SENT
    await pinged.becomes("online")


@pytest.mark.parametrize("name", ["cpu_pct", "mem_used_pct", "disk_used_pct"])
@pytest.mark.parametrize("value", [-0.1, 100.01, 1e300, "5", None, True])
async def test_a_percentage_is_from_0_to_100(pinged: Pinged, name: str, value: object) -> None:
    answer = await send(pinged, {**AS_SENT, name: value})
    assert (answer.status_code, answer.json()) == (400, {"error": f"{name} must be between 0 and 100"})
    assert (await pinged.standing()).liveness.last_seen is None


async def test_0_and_100_are_percentages_and_nothing_else_is_needed(pinged: Pinged) -> None:
    assert (await send(pinged, {"cpu_pct": 0, "mem_used_pct": 100, "disk_used_pct": 100.0})).status_code == 202
    answer = await send(pinged, {"cpu_pct": 0, "mem_used_pct": 100})
    assert answer.json() == {"error": "disk_used_pct must be between 0 and 100"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"nonsense", b"\xff", b'{"cpu_pct":1,"mem_used_pct":1,"disk_used_pct":1,"net_rx_bytes":"x"}',
     b'{"cpu_pct":1,"mem_used_pct":1,"disk_used_pct":1,"timestamp":"yesterday"}', b'{"x":"\\u0000"}',
     b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}"],
)  # fmt: skip
async def test_what_cannot_be_read_is_400(pinged: Pinged, body: bytes) -> None:
    answer = await send(pinged, body)
    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid request body"})


async def test_the_key_decides(pinged: Pinged) -> None:
    assert (await send(pinged, AS_SENT, "lsm_wrong")).status_code == 401
    assert (await pinged.ask("/agent/metrics", "POST", json=AS_SENT)).status_code == 401
    assert (await send(pinged, AS_SENT, await pinged.served.key("fleet"))).status_code == 403
    await pinged.served.app.monitor.disable("backup")
    pinged.served.app.keys.forget()
    answer = await send(pinged, AS_SENT)
    assert answer.status_code == 403
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS"])
async def test_it_is_posted(pinged: Pinged, method: str) -> None:
    answer = await pinged.ask("/agent/metrics", method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_too_much_is_413(pinged: Pinged) -> None:
    assert (await send(pinged, {**AS_SENT, "x": "y" * 70_000})).status_code == 413
