"""What the verbs let people do with people, keys and what was done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs

from lastseen.clock import rfc3339
from lastseen.errors import Conflict, Forbidden, InvalidInput, NotFound, StoreUnavailable
from lastseen.ingest.auth import digest_of
from lastseen.manage import deeds, keys, people
from lastseen.manage.office import Office
from lastseen.manage.who import Who
from lastseen.model.people import User
from lastseen.protocols import Deeds, Witness
from tests.secrecy import secret
from tests.web.site import Site, a_site

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(tmp_path, public_url="https://seen.example") as made:
        yield made


@pytest.fixture
async def ada(site: Site) -> Office:
    """The office for an admin."""
    return as_(site, await site.person("ada", "admin", None))


def as_(site: Site, user: User, *, writes: bool = True) -> Office:
    return site.app.office.of(Who(user.name, user.role, user.id, writes, "session", "192.0.2.7"))


def token_of(link: dict[str, Any]) -> str:
    return secret(parse_qs(urlsplit(link["url"]).query)["token"][0])


# --- users ------------------------------------------------------------------------------------------------------------


async def test_an_admin_adds_changes_and_removes_people(site: Site, ada: Office) -> None:
    made = await people.add(ada, "Bob", "viewer")
    assert made == {
        "id": made["id"],
        "name": "Bob",
        "role": "viewer",
        "has_password": False,
        "created_at": made["created_at"],
        "last_in_at": None,
    }
    assert [user["name"] for user in await people.listed(ada)] == ["ada", "Bob"]
    assert (await people.change(ada, "bob", "member"))["role"] == "member"
    assert (await people.show(ada, str(made["id"])))["role"] == "member"
    assert await people.remove(ada, "BOB") == {"id": made["id"], "name": "Bob", "removed": True}
    with pytest.raises(NotFound, match="no user 'Bob'"):
        await people.show(ada, "Bob")
    with pytest.raises(Conflict, match="last admin"):
        await people.remove(ada, "ada")
    with pytest.raises(InvalidInput):
        await people.change(ada, "ada", "king")


async def test_a_name_of_digits_comes_before_an_id(site: Site, ada: Office) -> None:
    number = ada.who.user_id
    await people.add(ada, str(number), "viewer")
    assert (await people.show(ada, str(number)))["role"] == "viewer"


@pytest.mark.parametrize("role", ["member", "viewer"])
async def test_others_see_and_change_nobody_but_look_at_themselves(site: Site, ada: Office, role: str) -> None:
    bob = as_(site, await site.person("bob", role, None))
    for work in (
        people.listed(bob),
        people.add(bob, "eva", "admin"),
        people.change(bob, "bob", "admin"),
        people.remove(bob, "ada"),
        people.reset_link(bob, "ada"),
        people.setup_link(bob),
        people.sessions(bob),
        deeds.listed(bob),
    ):
        with pytest.raises(Forbidden):
            await work
    for hidden in (people.show(bob, "ada"), people.sessions(bob, "ada"), people.log_out(bob, "ada")):
        with pytest.raises(NotFound):
            await hidden
    assert (await people.show(bob, "bob"))["role"] == role


async def test_a_key_that_only_reads_changes_nobody(site: Site, ada: Office) -> None:
    reading = site.app.office.of(Who("ada", "admin", ada.who.user_id, writes=False, through="key"))
    assert len(await people.listed(reading)) == 1
    for work in (people.add(reading, "eva", "admin"), people.reset_link(reading, "ada"), keys.add(reading, "api")):
        with pytest.raises(Forbidden, match="may only read"):
            await work


async def test_a_key_that_ends_lets_nobody_in_who_would_stay(site: Site, ada: Office) -> None:
    until = site.clock.now() + timedelta(hours=1)
    ending = site.app.office.of(Who("key 1", "admin", None, through="key", until=until))
    bob = await site.person("bob", "admin", None)
    for work in (
        people.add(ending, "eva", "viewer"),
        people.change(ending, "bob", "viewer"),
        people.reset_link(ending, "bob"),
        people.setup_link(ending),
    ):
        with pytest.raises(Forbidden, match="this key ends"):
            await work
    assert [(one["name"], one["role"]) for one in await people.listed(ada)] == [("ada", "admin"), ("bob", "admin")]
    made = await keys.add(ending, "api", lasting=timedelta(days=1))
    assert made["expires_at"] == rfc3339(until), "and says so"
    assert (await people.log_out(ending, "bob"))["ended"] == 0
    assert (await people.remove(ending, "bob"))["id"] == bob.id


# --- links ------------------------------------------------------------------------------------------------------------


async def test_a_link_to_set_up_makes_the_first_admin(site: Site) -> None:
    office = site.app.office
    assert await people.needs_setup(office)
    link = await people.setup_link(office)
    assert link["url"].startswith("https://seen.example/setup?token=")
    async with site.browser() as browser:
        given = {"token": token_of(link), "name": "ada", "password": secret("correct horse")}
        answer = await browser.post("/setup", data=given)
    assert answer.status_code == 303, answer.text
    assert [user["name"] for user in await people.listed(office)] == ["ada"]
    assert not await people.needs_setup(office)
    with pytest.raises(Conflict, match="reset-password"):
        await people.setup_link(office)


async def test_of_two_who_set_up_at_once_one_is_the_admin(site: Site) -> None:
    links = [await people.setup_link(site.app.office) for _ in range(2)]
    async with site.browser() as browser:
        given = [{"token": token_of(link), "name": f"n{n}", "password": "12345678"} for n, link in enumerate(links)]
        answers = await asyncio.gather(*(browser.post("/setup", data=one) for one in given))
    assert sorted(answer.status_code for answer in answers) in ([303, 404], [303, 409])
    assert len(await people.listed(site.app.office)) == 1


async def test_a_link_lets_somebody_in_again_for_a_day(site: Site, ada: Office) -> None:
    link = await people.reset_link(ada, "ADA")
    assert (link["name"], link["url"].partition("?")[0]) == ("ada", "https://seen.example/reset")
    digest = digest_of(token_of(link))
    known = await site.store.link("password", digest, site.clock.now())
    assert known.name == "ada"
    assert await site.store.link("password", digest, site.clock.now() + timedelta(hours=24)) is False


# --- sessions ---------------------------------------------------------------------------------------------------------


async def test_an_admin_ends_the_sessions_of_others_and_everybody_their_own(site: Site, ada: Office) -> None:
    user = await site.person("bob", "member", None)
    bob, now = as_(site, user), site.clock.now()
    for number in range(3):
        await site.store.begin_session(user.id, f"d{number}", now, now + timedelta(days=1), "192.0.2.8", "Browser")
    mine = await people.sessions(bob, "bob")
    assert [(one["user"], one["address"], one["agent"]) for one in mine] == [("bob", "192.0.2.8", "Browser")] * 3
    assert await people.sessions(ada) == mine
    assert await people.log_out(bob, "bob", mine[0]["id"]) == {"name": "bob", "ended": 1}
    with pytest.raises(NotFound, match="no session"):
        await people.log_out(bob, "bob", mine[0]["id"])
    assert await people.log_out(ada, "bob") == {"name": "bob", "ended": 2}
    assert await people.sessions(ada) == []


# --- keys -------------------------------------------------------------------------------------------------------------


async def test_a_key_that_somebody_makes_is_theirs_and_only_they_and_admins_see_it(site: Site, ada: Office) -> None:
    bob, eve = [as_(site, await site.person(name, "member", None)) for name in ("bob", "eve")]
    theirs = await keys.add(bob, "api", "script", may="write")
    hers = await keys.add(ada, "api")
    free = await keys.add(site.app.office, "api")
    given = await keys.add(ada, "api", user="eve")
    assert [key["id"] for key in await keys.listed(ada)] == [theirs["id"], hers["id"], free["id"], given["id"]]
    assert [(key["id"], key["user"], key["may"]) for key in await keys.listed(bob)] == [(theirs["id"], "bob", "write")]
    assert [key["user"] for key in await keys.listed(ada)] == ["bob", "ada", None, "eve"]
    for work in (keys.revoke(eve, theirs["id"]), keys.revoke(bob, free["id"]), keys.revoke(bob, 999)):
        with pytest.raises(NotFound):
            await work
    assert (await keys.revoke(bob, theirs["id"]))["revoked_at"]
    assert (await keys.revoke(ada, given["id"]))["revoked_at"]


async def test_keys_for_fleets_and_pings_are_made_by_admins(site: Site, ada: Office) -> None:
    bob = as_(site, await site.person("bob", "member", None))
    for scope in ("fleet", "ping"):
        with pytest.raises(Forbidden):
            await keys.add(bob, scope)
        assert (await keys.add(ada, scope))["scope"] == scope
        with pytest.raises(InvalidInput) as caught:
            await keys.add(ada, scope, user="bob")
        assert caught.value.field == "user"
    with pytest.raises(NotFound):
        await keys.add(bob, "api", user="ada")
    with pytest.raises(InvalidInput) as caught:
        await keys.add(bob, "api", may="all")
    assert caught.value.field == "may"
    assert await keys.listed(bob, show=True) == []
    reading = site.app.office.of(Who("key 1", "admin", None, writes=False, through="key"))
    assert [key["key"] is not None for key in await keys.listed(ada, show=True)] == [False, True]
    assert "key" not in (await keys.listed(reading, show=True))[1], "who has it may report"


async def test_a_key_follows_its_user_at_once(site: Site, ada: Office) -> None:
    await site.person("bob", "admin", None)
    made = await keys.add(ada, "api", may="write", user="bob")
    async with site.browser() as browser:
        asked = {"headers": {"Authorization": f"Bearer {secret(made['key'])}"}}
        first = (await browser.get("/test/who", **asked)).json()
        assert (first["name"], first["role"], first["writes"], first["through"]) == ("bob", "admin", True, "key")
        await people.change(ada, "bob", "viewer")
        site.clock.seconds += 1
        assert (await browser.get("/test/who", **asked)).json()["role"] == "viewer"
        await people.remove(ada, "bob")
        site.clock.seconds += 1
        assert (await browser.get("/test/who", **asked)).status_code == 401


async def test_when_a_key_was_last_used_is_written_down_with_the_next_round(site: Site, ada: Office) -> None:
    made = await keys.add(ada, "api")
    async with site.browser() as browser:
        for _ in range(3):
            answer = await browser.get("/test/who", headers={"Authorization": f"Bearer {secret(made['key'])}"})
            assert answer.status_code == 200
            site.clock.seconds += 10
    (before,) = await keys.listed(ada)
    assert before["last_used_at"] == before["first_used_at"]
    await site.app.keys.used.write(site.store)
    (after,) = await keys.listed(ada)
    assert after["first_used_at"] == before["first_used_at"] < after["last_used_at"]


# --- what was done ----------------------------------------------------------------------------------------------------


async def test_every_change_is_written_down_with_who_made_it_and_without_secrets(site: Site, ada: Office) -> None:
    password = secret("swordfish and chips")
    made = await people.add(ada, "bob", "viewer", password)
    await people.change(ada, "bob", "member")
    link = token_of(await people.reset_link(ada, "bob"))
    key = await keys.add(site.app.office, "api", "grafana", may="read", user="bob")
    await keys.revoke(ada, key["id"])
    await people.remove(ada, "bob")
    listed = await deeds.listed(ada)
    assert [(deed["by"], deed["through"], deed["address"], deed["verb"], deed["subject"]) for deed in listed] == [
        ("ada", "session", "192.0.2.7", "users.remove", "user bob"),
        ("ada", "session", "192.0.2.7", "keys.revoke", f"key {key['id']}"),
        ("command line", "command line", "", "keys.add-api", f"key {key['id']}"),
        ("ada", "session", "192.0.2.7", "users.reset-password", "user bob"),
        ("ada", "session", "192.0.2.7", "users.set", "user bob"),
        ("ada", "session", "192.0.2.7", "users.add", "user bob"),
    ]
    assert [deed["changed"] for deed in listed[2:]] == [
        {"label": "grafana", "may": "read", "user": "bob"},
        {},
        {"role": {"from": "viewer", "to": "member"}},
        {"role": "viewer"},
    ]
    assert [deed["user_id"] for deed in listed[:3]] == [ada.who.user_id, ada.who.user_id, None]
    for hidden in (password, link, key["key"]):
        assert hidden not in str(listed)
    assert [deed["verb"] for deed in await deeds.listed(ada, 1, before=listed[0]["id"])] == ["keys.revoke"]
    assert len(await deeds.listed(ada, subject="user bob")) == 4
    assert made["id"] is not None
    for limit in (0, 1001):
        with pytest.raises(InvalidInput):
            await deeds.listed(ada, limit)


async def test_what_is_odd_in_a_deed_is_written_down_as_far_as_it_can_be(site: Site, ada: Office) -> None:
    odd = {"password": "x", "after": timedelta(seconds=90), "text": "half \ud800 \0", "long": ["y" * 600], "set": {1}}
    await ada.note("machines.change", "machine \ud800", odd)
    (deed,) = await deeds.listed(ada)
    assert deed["subject"] == "machine \ufffd"
    assert deed["changed"] == {
        "password": "…",
        "after": "PT90S",
        "text": "half \ufffd \ufffd",
        "long": ["y" * 500 + "…"],
        "set": [1],
    }


async def test_what_was_done_stays_done_where_it_cannot_be_written_down(
    site: Site, ada: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: Any) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(site.store, "keep_deeds", full)
    await ada.note("channels.test", "channel ops")
    with capture_logs() as logs:
        assert await deeds.do(Core(site.store), deeds.Doing(ada.who, "x", "y", None, NOW), answer()) == 42
    assert [log["event"] for log in logs] == ["deed_done", "deed_not_written"]
    assert await deeds.listed(ada) == []


async def answer() -> int:
    return 42


class Core:
    """A store that is told of deeds, and is no witness."""

    def __init__(self, store: Any) -> None:
        self.keep_deeds, self.deeds = store.keep_deeds, store.deeds


async def test_a_store_that_is_no_witness_is_told_afterwards(site: Site, ada: Office) -> None:
    store: Any = Core(site.store)
    assert isinstance(store, Deeds)
    assert not isinstance(store, Witness)
    doing = deeds.Doing[int](ada.who, "x", lambda came: f"answer {came}", None, NOW)
    assert await deeds.do(store, doing, answer()) == 42
    assert [deed["subject"] for deed in await deeds.listed(ada)] == ["answer 42"]
    with pytest.raises(Conflict):
        await deeds.do(store, doing, refused())
    assert len(await deeds.listed(ada)) == 1


async def refused() -> int:
    raise Conflict("no")


async def test_where_nothing_of_it_is_kept_it_is_in_the_log() -> None:
    who = Who("eva", "admin", 1, through="session", address="192.0.2.7")
    with capture_logs() as logs:
        doing = deeds.Doing(who, "machines.remove", "machine db-01", {"password": "x"}, NOW)
        await deeds.write(None, doing.told(None))
    assert logs == [
        {
            "event": "deed_done",
            "log_level": "info",
            "by": "eva",
            "through": "session",
            "verb": "machines.remove",
            "subject": "machine db-01",
        }
    ]
