"""Names that are written like the id of something else: whoever is called so is not taken for it, nor hides it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lastseen.ingest.auth import digest_of
from tests.api.conftest import URL, Api, an_api
from tests.secrecy import secret

TOKEN = secret("d" * 43)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with an_api(tmp_path, public_url=URL, rate_limit="off") as made:
        yield made


async def person(api: Api, name: str, role: str) -> int:
    user = await api.app.store.add_user(name, role, None, api.clock.now())
    return int(user.id)


async def browser(api: Api, user: int) -> httpx.AsyncClient:
    now = api.clock.now()
    until = now.replace(year=now.year + 1)
    await api.app.store.begin_session(user, digest_of(TOKEN), now, until, "192.0.2.1", "a browser")
    transport = httpx.ASGITransport(api.app, client=("192.0.2.1", 4000))
    given = {"Origin": URL, "Cookie": f"lastseen={TOKEN}"}
    return httpx.AsyncClient(transport=transport, base_url=URL, headers=given)


async def test_a_machine_that_is_called_as_anothers_id_does_not_stand_before_it(api: Api) -> None:
    shown = (await api.add("pump", name="The pump"))["id"]
    ada, ben = await person(api, "ada", "member"), await person(api, "ben", "member")
    of_ada, of_ben = [await api.new_key(may="write", user_id=one) for one in (ada, ben)]
    await api.post("/machines", json={"slug": str(shown), "name": "Not the pump"}, key=of_ben)
    changed = await api.patch("/machines/pump", json={"name": "Our pump"})
    assert (changed["slug"], changed["name"]) == ("pump", "Our pump")
    assert (await api.post("/machines/pump/pause"))["slug"] == "pump"
    for path in (f"/machines/{shown}", f"/machines/{shown}/status"):
        assert (await api.get(path, key=of_ada))["slug"] == "pump", "Ben's is not there for her"
        assert (await api.get(path, key=of_ben))["slug"] == str(shown), "digits are tried as a slug first"
    every = await api.get("/machines/status", params={"ids": str(shown)}, key=of_ada)
    assert [one["slug"] for one in every["items"]] == ["pump"]
    for user in (ada, ben):
        async with await browser(api, user) as looks:
            page = await looks.get("/machines/pump")
            assert page.status_code == 200
            assert "Our pump" in page.text
            assert "Not the pump" not in page.text
        await api.app.store.end_sessions(user=user)


async def test_a_machine_asks_for_itself_whatever_others_are_called(api: Api) -> None:
    made: Any = await api.add("pump")
    await api.add(str(made["id"]))
    for ref in ("pump", made["id"]):
        assert (await api.get(f"/machines/{ref}/status", key=made["key"]))["slug"] == "pump"
    await api.refused("GET", "/machines/other/status", 403, key=made["key"])


async def test_somebody_who_is_called_as_anothers_id_is_given_nothing_on_the_page_of_people(api: Api) -> None:
    root, ada = await person(api, "root", "admin"), await person(api, "ada", "viewer")
    await person(api, str(ada), "viewer")
    async with await browser(api, root) as page:
        answer = await page.post(f"/people/{ada}/role", data={"role": "admin"})
        assert answer.status_code == 303
        link = await page.post(f"/people/{ada}/link", data={})
        assert link.status_code == 200
    roles = {one["name"]: one["role"] for one in (await api.get("/users"))["items"]}
    assert roles == {"root": "admin", "ada": "admin", str(ada): "viewer"}
    newest = (await api.get("/audit"))["items"][0]
    assert (newest["verb"], newest["subject"]) == ("users.reset-password", "user ada")


async def test_a_new_channel_is_not_called_as_channels_are_numbered_nor_as_lines_are_written(api: Api) -> None:
    for name in ("7", "ops\n03:12  ben  users.add", "ops\x1b[2J", "ops\u2028"):
        said = {"type": "console", "name": name}
        assert (await api.refused("POST", "/channels", 422, json=said))["errors"][0]["field"] == "name"
        said = {"name": name}
        assert (await api.refused("POST", "/channels/invites", 422, json=said))["errors"][0]["field"] == "name"
    assert (await api.post("/channels", json={"type": "console", "name": "7a \u3000\U0001f468\u200d\U0001f469"}))["id"]
