"""Days and times in the zone that a program names."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.api.conftest import Api, an_api


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    """One loop for the file."""
    return "asyncio", {"use_uvloop": False}


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    async with an_api(tmp_path_factory.mktemp("zones"), timezone="UTC") as made:
        await made.add("db")
        yield made


async def test_days_begin_at_midnight_in_the_zone_that_is_named(api: Api) -> None:
    here = await api.get("/machines/db/uptime", params={"window": "3d"})
    there = await api.get("/machines/db/uptime", params={"window": "3d", "timezone": "Asia/Kolkata"})
    assert {one["start"][10:] for one in here["days"][1:]} == {"T00:00:00Z"}
    assert {one["start"][10:] for one in there["days"][1:]} == {"T18:30:00Z"}
    for one in there["days"][1:]:
        assert one["day"] > one["start"][:10], "the day that begins there"
    assert (here["uptime"], here["known_seconds"]) == (there["uptime"], there["known_seconds"])


@pytest.mark.parametrize("path", ["uptime", "why", "advice"])
async def test_a_zone_that_there_is_not_is_refused_by_its_field(api: Api, path: str) -> None:
    for name in ("Europe/Nowhere", "../UTC", ""):
        said = await api.refused("GET", f"/machines/db/{path}", 422, params={"timezone": name})
        assert [one["field"] for one in said["errors"]] == ["timezone"], said
        assert "such as Europe/Berlin" in said["errors"][0]["detail"]
    assert (await api.ask("GET", f"/machines/db/{path}", params={"timezone": "Asia/Tokyo"})).status_code == 200


async def test_a_moment_is_meant_in_the_zone_that_is_named(api: Api) -> None:
    asked = {"at": "2025-01-01T00:00", "timezone": "Asia/Tokyo"}
    assert (await api.get("/machines/db/why", params=asked))["asked"]["since"] == "2024-12-31T15:00:00Z"
