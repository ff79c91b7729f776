"""Who asks, by a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends

from lastseen.manage.who import Who
from lastseen.web.who import who_of
from tests.server.conftest import Served, a_server

asking = APIRouter()


@asking.api_route("/test/who", methods=["GET", "POST"])
async def who_asks(who: Annotated[Who, Depends(who_of)]) -> dict[str, object]:
    return {"name": who.name, "role": who.role, "id": who.user_id, "writes": who.writes, "through": who.through}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with a_server(tmp_path) as server:
        server.app.api.include_router(asking)
        yield server


async def test_nobody_is_told_what_is_wanted(served: Served) -> None:
    answer = await served.get("/test/who")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "logged in" in answer.json()["detail"]


async def test_an_api_key_is_somebody_who_may_read(served: Served) -> None:
    key = await served.key("api")
    assert (await served.get("/test/who", key)).json()["writes"] is False
    assert (await served.http.get("/test/who", headers={"X-API-Key": key})).json()["through"] == "key"
    assert (await served.http.post("/test/who", headers={"X-API-Key": key})).status_code == 200


async def test_keys_of_machines_and_fleets_do_not_open_it_and_wrong_ones_neither(served: Served) -> None:
    machine, fleet = await served.machine("web-1"), await served.key("fleet")
    answers = [(await served.get("/test/who", key)).status_code for key in (machine, fleet, "lsa_" + "x" * 43, "?")]
    assert answers == [403, 403, 401, 401]
