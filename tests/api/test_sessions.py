"""Where people are logged in, and their own passwords, over HTTP."""

from __future__ import annotations

import httpx
import pytest

from lastseen.manage import passwords
from tests.api.conftest import Api

PASSWORD, ANOTHER = "correct horse battery", "staple and more of it"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


async def person(api: Api, name: str, role: str = "member") -> None:
    await api.post("/users", json={"name": name, "role": role, "password": PASSWORD})


def browser(api: Api) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=api.http._transport, base_url=api.http.base_url, headers=SAME_ORIGIN)


async def log_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> int:
    return (await client.post("/api/v1/session", json={"name": name, "password": password})).status_code


async def who(client: httpx.AsyncClient) -> int:
    return (await client.get("/api/v1/session")).status_code


async def test_sessions_are_listed_and_ended_one_by_one_and_all(api: Api) -> None:
    await person(api, "ada")
    await person(api, "bob")
    first, second, bobs = browser(api), browser(api), browser(api)
    assert [await log_in(first, "ada"), await log_in(second, "ada"), await log_in(bobs, "bob")] == [201] * 3
    everybodys = (await api.get("/sessions"))["items"]
    assert sorted(one["user"] for one in everybodys) == ["ada", "ada", "bob"]
    mine = (await first.get("/api/v1/users/ada/sessions")).json()["items"]
    assert mine == (await api.get("/users/ada/sessions"))["items"]
    assert len(mine) == 2
    for path in ("/api/v1/sessions", "/api/v1/users/bob/sessions"):
        assert (await first.get(path)).status_code in (403, 404)
    newest = max(one["id"] for one in mine)
    assert (await first.delete(f"/api/v1/users/ada/sessions/{newest}")).json() == {"name": "ada", "ended": 1}
    assert [await who(first), await who(second)] == [200, 401]
    await api.refused("DELETE", f"/users/ada/sessions/{newest}", 404)
    bobs_id = next(one["id"] for one in everybodys if one["user"] == "bob")
    await api.refused("DELETE", f"/users/ada/sessions/{bobs_id}", 404)
    assert await api.delete("/users/ada/sessions") == {"name": "ada", "ended": 1}
    assert [await who(first), await who(bobs)] == [401, 200]
    assert [one["verb"] for one in (await api.get("/audit", params={"limit": 2}))["items"]] == ["users.log-out"] * 2


async def test_a_key_that_reads_ends_no_session(api: Api) -> None:
    await person(api, "ada")
    client = browser(api)
    await log_in(client, "ada")
    reads = (await api.post("/keys", json={"scope": "api", "user": "ada", "may": "read"}))["key"]
    assert len((await api.get("/users/ada/sessions", key=reads))["items"]) == 1
    await api.refused("DELETE", "/users/ada/sessions", 403, key=reads)
    assert await who(client) == 200


async def test_who_changes_their_password_stays_alone_logged_in(api: Api) -> None:
    await person(api, "ada")
    here, elsewhere = browser(api), browser(api)
    await log_in(here, "ada")
    await log_in(elsewhere, "ada")
    wrong = await here.post("/api/v1/session/password", json={"current": "no", "password": ANOTHER})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "current")
    short = await here.post("/api/v1/session/password", json={"current": PASSWORD, "password": "short"})
    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "password")
    assert await who(elsewhere) == 200
    done = await here.post("/api/v1/session/password", json={"current": PASSWORD, "password": ANOTHER})
    assert (done.status_code, done.content) == (204, b"")
    assert [await who(here), await who(elsewhere)] == [200, 401]
    assert await log_in(elsewhere, "ada") == 401
    assert await log_in(elsewhere, "ada", ANOTHER) == 201


async def test_no_key_changes_a_password_and_no_other_sites_page(api: Api) -> None:
    await person(api, "ada")
    said = {"current": PASSWORD, "password": ANOTHER}
    writes = (await api.post("/keys", json={"scope": "api", "user": "ada", "may": "write"}))["key"]
    for key in (api.key, writes):
        await api.refused("POST", "/session/password", 403, key=key, json=said)
    client = browser(api)
    await log_in(client, "ada")
    foreign = await client.post("/api/v1/session/password", json=said, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    user = await api.app.store.user("ada")
    assert await passwords.matches(PASSWORD, user[1])


async def test_guesses_at_the_old_password_are_counted_as_at_log_in(api: Api) -> None:
    await person(api, "ada")
    client, another = browser(api), browser(api)
    await log_in(client, "ada")
    said = {"current": "no", "password": ANOTHER}
    answers = [(await client.post("/api/v1/session/password", json=said)).status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]
    assert await log_in(another, "ada") == 429


@pytest.mark.parametrize("path", ["/users", "/sessions", "/users/ada/sessions", "/badges", "/status-pages"])
async def test_lists_of_people_and_of_what_everybody_sees_have_pages(api: Api, path: str) -> None:
    await person(api, "ada")
    for number in range(3):
        await log_in(browser(api), "ada")
        await api.post("/users", json={"name": f"user {number}", "role": "viewer"})
        await api.post("/badges", json={"all": True})
        await api.post("/status-pages", json={"slug": f"page-{number}", "title": "T", "lines": [{"all": True}]})
    (whole,) = await api.pages(path)
    assert len(whole) >= 3
    assert await api.pages(path, limit=1) == [[one] for one in whole]
    said = await api.refused("GET", f"{path}?cursor=x", 422)
    assert said["errors"][0]["field"] == "cursor"
