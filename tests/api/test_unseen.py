"""What somebody may not see is answered as what there is not."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api

FILTERED = ("/events", "/notifications")


@pytest.mark.parametrize("path", FILTERED)
async def test_nobody_learns_by_a_filter_that_there_is_a_machine_of_anothers(api: Api, path: str) -> None:
    ada, ben = [await api.app.store.add_user(name, "member", None, api.clock.now()) for name in ("ada", "ben")]
    hers, his = [await api.new_key(may="write", user_id=one.id) for one in (ada, ben)]
    made = await api.post("/machines", json={"slug": "bens"}, key=his)
    for ref in ("bens", made["id"]):
        assert await api.get(path, params={"machine": ref}, key=his)
        said = await api.refused("GET", path, 404, params={"machine": ref}, key=hers)
        assert said["detail"] == (await api.refused("GET", path, 404, params={"machine": 99}))["detail"].replace(
            "99", str(ref)
        )
    await api.delete("/machines/bens", key=his)
    assert await api.get("/events", params={"machine": "bens"}, key=his)
    await api.refused("GET", path, 404, params={"machine": "bens"}, key=hers)
