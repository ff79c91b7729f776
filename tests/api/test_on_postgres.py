"""The management API on PostgreSQL: what a question may hold that SQLite would take and PostgreSQL would not."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.conftest import Api, an_api
from tests.api.test_channels import HOOK
from tests.api.test_machines import go_offline
from tests.servers.postgres import PostgresServer

ODD = ("%00", "☃", "0", str(2**31), str(2**63), "9" * 100, "'; --", "\\", "%25", "_")


@pytest.fixture
async def postgres(tmp_path: Path, postgres_server: PostgresServer) -> AsyncIterator[Api]:
    async with an_api(tmp_path, database_url=postgres_server.migrated(), rate_limit="off") as api:
        yield api


def cursor(*said: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


async def test_odd_questions_are_answered(postgres: Api) -> None:
    api = postgres
    await api.add("m", name="Größe ☃ 100%")
    await api.post("/channels", json=HOOK)
    await go_offline(api, "m")
    for odd in ODD:
        for path in (f"machines/{odd}", f"machines/{odd}/why", f"machines/{odd}/status", f"channels/{odd}"):
            assert (await api.ask("GET", f"/{path}")).status_code == 404, path
        for path in (f"users/{odd}", f"sources/{odd}", f"machines/status?ids={odd}", f"events?machine={odd}"):
            assert (await api.ask("GET", f"/{path}")).status_code < 500, path
        for path in (f"machines?text={odd}", f"machines?group={odd}", f"events?type={odd}", f"audit?subject={odd}"):
            assert (await api.ask("GET", f"/{path}")).status_code < 500, path
        for path in (f"notifications/{odd}/replay", f"channels/{odd}/test", f"machines/{odd}/pause"):
            assert (await api.ask("POST", f"/{path}")).status_code in (404, 422), path
        for path in (f"silences/{odd}", f"keys/{odd}", f"users/{odd}", f"sources/{odd}"):
            assert (await api.ask("DELETE", f"/{path}")).status_code in (404, 409, 422), path


@pytest.mark.parametrize(
    ("sort", "place"),
    [
        ("name", ["x" * 1000, 2**31 - 1]),
        ("name", ["x", 2**31]),
        ("name", ["x", -1]),
        ("name", ["\0", 1]),
        ("name", [1, 1]),
        ("status", [2**31 - 1, "x", 1]),
        ("status", [0, "x"]),
        ("last_seen", ["9998-12-31T00:00:00Z", 1]),
        ("last_seen", ["9999-12-31T23:59:59-14:00", 1]),
        ("last_seen", ["0001-01-01T00:00:00+14:00", 1]),
        ("last_seen", ["2026-01-01T00:00:00", 1]),
        ("status_since", [None, 1]),
    ],
)
async def test_made_up_cursors_break_nothing(postgres: Api, sort: str, place: list[object]) -> None:
    await postgres.add("m")
    params = {"sort": sort, "cursor": cursor(sort, False, place)}
    answer = await postgres.ask("GET", "/machines", params=params)
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["errors"][0]["field"] == "cursor"


async def test_pages_and_made_up_ids_of_events(postgres: Api) -> None:
    await postgres.add("m")
    await go_offline(postgres, "m")
    (whole,) = await postgres.pages("/events")
    assert [one for page in await postgres.pages("/events", limit=1) for one in page] == whole
    for number in (0, 1, 2**31, 2**63 - 1, 2**63):
        answer = await postgres.ask("GET", "/events", params={"cursor": cursor("id", True, [number])})
        assert answer.status_code == (422 if number == 2**63 else 200), answer.text
