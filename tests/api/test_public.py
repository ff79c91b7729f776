"""Status pages and badges over HTTP: what the command line says of them, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api

LINES = [{"machine": "pump", "alias": "Water"}, {"group": "web"}, {"tag": "t"}, {"all": True}]


async def test_a_page_is_made_shown_changed_and_removed(api: Api) -> None:
    await api.add("pump")
    answer = await api.ask("POST", "/status-pages", json={"slug": "shop", "title": "Our shop", "lines": LINES})
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, "/api/v1/status-pages/shop")
    assert made["url"] == "https://status.example.org/status/shop"
    assert [{name: one[name] for name in one if one[name] is not None} for one in made["lines"]] == LINES
    assert await api.get("/status-pages/shop") == made
    assert await api.get("/status-pages") == {"items": [made], "next": None}
    assert (await api.http.get("/status/shop")).status_code == 200
    changed = await api.patch("/status-pages/shop", json={"slug": "store", "text": "hello", "listed": True})
    assert (changed["slug"], changed["text"], changed["listed"], changed["lines"]) == (
        "store", "hello", True, made["lines"],
    )  # fmt: skip
    assert await api.delete("/status-pages/store") == {"id": made["id"], "slug": "store", "removed": True}
    await api.refused("GET", "/status-pages/store", 404)


async def test_a_badge_is_made_listed_and_removed(api: Api) -> None:
    await api.add("pump")
    made = await api.post("/badges", json={"machine": "pump", "label": "water"})
    assert made["svg_url"] == f"https://status.example.org/badge/{made['key']}.svg"
    assert (await api.http.get(f"/badge/{made['key']}.json")).json()["label"] == "water"
    assert await api.get("/badges") == {"items": [made], "next": None}
    assert await api.delete(f"/badges/{made['id']}") == {"id": made["id"], "removed": True}
    await api.refused("DELETE", f"/badges/{made['id']}", 404)


@pytest.mark.parametrize(
    ("path", "said", "field"),
    [
        ("/status-pages", {"slug": "No", "lines": [{"all": True}]}, "slug"),
        ("/status-pages", {"slug": "s", "lines": []}, "lines"),
        ("/status-pages", {"slug": "s", "lines": [{"all": True}, {"machine": "nobody"}]}, "lines.1.machine"),
        ("/status-pages", {"slug": "s", "lines": [{"all": True, "machines": "pump"}]}, "lines.0.machines"),
        ("/status-pages", {"slug": "s", "lines": [{"all": True}], "shared": False}, "shared"),
        ("/badges", {}, "machine"),
        ("/badges", {"all": True, "shows": "mood"}, "shows"),
        ("/badges", {"group": "a", "tag": "b"}, "group"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_made(api: Api, path: str, said: Any, field: str) -> None:
    problem = await api.refused("POST", path, 422, json=said)
    assert [one["field"] for one in problem["errors"]] == [field]
    assert (await api.get(path))["items"] == []


async def test_a_slug_that_is_taken_is_a_conflict(api: Api) -> None:
    await api.post("/status-pages", json={"slug": "shop", "lines": [{"all": True}]})
    await api.refused("POST", "/status-pages", 409, json={"slug": "shop", "lines": [{"all": True}]})
