"""What somebody may not see is answered as what there is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api


@pytest.mark.parametrize("path", ["/events", "/notifications"])
async def test_nobody_learns_by_a_filter_that_there_is_a_machine_of_anothers(api: Api, path: str) -> None:
    store: Any = api.app.store
    ada, ben = [await store.add_user(name, "member", None, api.clock.now()) for name in ("ada", "ben")]
    hers, his = [await api.new_key(may="write", user_id=one.id) for one in (ada, ben)]
    made = await api.post("/machines", json={"slug": "bens"}, key=his)
    for ref in ("bens", made["id"]):
        assert "items" in await api.get(path, params={"machine": ref}, key=his)
        await api.refused("GET", path, 404, params={"machine": ref}, key=hers)
    await api.delete("/machines/bens", key=his)
    assert (await api.get("/events", params={"machine": "bens"}, key=his))["items"], "removed ones have a past"
    await api.refused("GET", path, 404, params={"machine": "bens"}, key=hers)
    for past in ("/machines/bens/events", "/machines/bens/outages"):
        assert "items" in await api.get(past, key=his)
        await api.refused("GET", past, 404, key=hers)
