"""Pages on which what was given up is told again, and on which a webhook gets another secret."""

from __future__ import annotations

import re

import httpx

from lastseen.manage import channel_setup, channels, notifications
from lastseen.manage.who import OPERATOR
from lastseen.model.story import Which
from lastseen.model.words import NotificationState
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import online
from tests.pages.test_channel_pages import webhook
from tests.pages.test_forms import browser, fault, site, value
from tests.secrecy import secret
from tests.web.site import Site

__all__ = ["site"]

GONE = 200 + 76 * 3600
"""Seconds after which all of it was given up."""


async def give_up(site: Site, *slugs: str) -> None:
    """They fell silent, and nobody could be told of it in time."""
    await online(site.store, *slugs)
    known = [one.uid for one in await site.store.channels()]
    await site.store.settle(by_rule(known), at(200))
    await site.store.tidy(at(GONE))


async def again(site: Site) -> set[tuple[str, str]]:
    """Who is told again, of which machine."""
    found = await notifications.found(site.app.office.of(OPERATOR))
    return {(one["channel"], one["machine"]) for one in found if one["cause"] == "replay"}


def number(page: str) -> str:
    """In its heading, and on its button."""
    heading, button = re.search(r'id="dead">(\d+) ', page), re.search(r"<button>Tell (\d+) again", page)
    assert heading
    return heading[1] if button is None else button[1]


async def test_what_was_given_up_is_told_again_by_channel_and_in_all_with_the_number_first(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    for name in ("ops", "boss"):
        await channel_setup.add(office, "console", name, {})
    await give_up(site, "pump", "fan")
    ops = (await channels.show(office, "ops"))["id"]
    async with await browser(site) as admin:
        assert f'href="/channels/given-up?channel={ops}"' in (await admin.get(f"/channels/{ops}")).text
        page = (await admin.get("/channels/given-up", params={"channel": ops})).text
        assert number(page) == "2"
        for wrong in ("", "0", "-1", "many", "9" * 30):
            answer = await admin.post("/channels/given-up", data={"channel": ops, "most": wrong})
            assert (answer.status_code, "<b>most</b>" in answer.text) == (422, True), wrong
        assert await again(site) == set()
        done = await admin.post("/channels/given-up", data={"channel": ops, "most": "2"})
        assert done.headers["location"] == f"/channels/given-up?channel={ops}&told=2"
        assert await again(site) == {("ops", "pump"), ("ops", "fan")}
        page = (await admin.get(done.headers["location"])).text
        assert "2 are told again." in page
        assert "2 are left out: told since" in page
        assert number((await admin.get("/channels/given-up")).text) == "2"
        await admin.post("/channels/given-up", data={"most": "1"})
        assert len(await again(site)) == 3
        assert (await admin.get("/channels/given-up", params={"channel": "nobody"})).status_code == 404


async def test_what_cannot_be_told_again_is_not_said_to_be_told(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    await channel_setup.add(office, "console", "ops", {})
    await give_up(site, "pump")
    await channels.switch(office, "ops", False)
    async with await browser(site) as admin:
        page = (await admin.get("/channels/given-up")).text
        assert re.search(r'id="dead">0 can be told again<', page)
        assert "1 was not told since and is left out: its channel is off or gone." in page
        await channels.switch(office, "ops", True)
        page = (await admin.get("/channels/given-up")).text
        assert re.search(r'id="dead">1 can be told again<', page)
        assert "left out" not in page


async def test_members_tell_again_what_they_see_and_viewers_nothing(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    await channel_setup.add(office, "console", "ops", {})
    async with await browser(site, "member") as member, await browser(site, "viewer") as viewer:
        other = await site.person("other", "member", None)
        theirs = await site.store.add_channel("console", "theirs", {}, {}, "theirs", site.clock.now(), other.id)
        await give_up(site, "pump", "fan")
        await site.app.monitor.watch("fan", owner=other.id)
        assert number((await member.get("/channels/given-up")).text) == "1"
        assert "fan" not in (await member.get("/channels/given-up")).text
        assert (await member.get("/channels/given-up", params={"channel": theirs.id})).status_code == 404
        await member.post("/channels/given-up", data={"most": "100"})
        assert await again(site) == {("ops", "pump")}
        assert "given-up" not in (await viewer.get("/channels")).text
        assert (await viewer.get("/channels/given-up")).status_code == 403
        assert (await viewer.post("/channels/given-up", data={"most": "1"})).status_code == 403
        dead = await notifications.found(office, NotificationState.DEAD)
        assert len(dead) == 4


async def test_a_story_offers_to_tell_again_what_can_be(site: Site) -> None:
    office = site.app.office.of(OPERATOR)
    ids = {name: (await channel_setup.add(office, "console", name, {}))["id"] for name in ("ops", "boss")}
    await give_up(site, "pump")
    site.clock.seconds += (at(GONE) - site.clock.now()).total_seconds()

    async def offered(one: httpx.AsyncClient) -> list[str]:
        page = (await one.get("/machines/pump", params={"at": at(200).isoformat()})).text
        assert page.count("NOT TOLD") == 2
        return re.findall(r'<a href="([^"]+)">Tell it again</a>', page)

    async with (
        await browser(site) as admin,
        await browser(site, "member") as member,
        await browser(site, "viewer") as viewer,
    ):
        other = await site.person("other", "member", None)
        both = {f"/channels/given-up?channel={one}" for one in ids.values()}
        assert (len(await offered(admin)), set(await offered(admin))) == (2, both)
        for address in both:
            assert number((await admin.get(address)).text) == "1"
        assert await offered(viewer) == []
        await channels.switch(office, "ops", False)
        assert await offered(admin) == [f"/channels/given-up?channel={ids['boss']}"]
        assert await offered(member) == [f"/channels/given-up?channel={ids['boss']}"]
        await site.store.give_channel((await channels.find(office, "boss")).uid, other.id, at(GONE))
        await channels.switch(office, "boss", True)
        assert await offered(member) == [], "they tell their own again"
        await notifications.replay_dead(office, Which(), 10)
        assert await offered(admin) == [], "it is on its way"


async def test_a_webhook_gets_another_secret_and_the_old_one_signs_for_a_while(site: Site) -> None:
    path = await webhook(site)
    office = site.app.office.of(OPERATOR)
    async with await browser(site) as admin:
        assert f'href="{path}/secret"' in (await admin.get(path)).text
        assert value(await admin.get(f"{path}/secret"), "keep") == "7d"
        uid = (await channels.find(office, "hook")).uid
        old = (await site.store.channel_secrets(uid))["secret"]
        for wrong in ("", "0", "-1d", "<b>soon</b>", "400d"):
            answer = await admin.post(f"{path}/secret", data={"keep": wrong})
            assert answer.status_code == 422, wrong
            assert fault(answer, "keep"), wrong
        assert await site.store.channel_secrets(uid) == {"secret": old}
        made = await admin.post(f"{path}/secret", data={"keep": "1h"})
        shown = re.search(r'<code id="secret">(whsec_[^<]+)</code>', made.text)
        assert shown
        assert "1 h" in made.text
        assert await site.store.channel_secrets(uid) == {"secret": secret(shown[1]), "previous_secret": old}
        ends = re.search(
            r"<dt>The old secret ends</dt><dd><time datetime=[^>]+>([^<]+)</time>", (await admin.get(path)).text
        )
        assert ends
        assert re.fullmatch(r"\d\d:\d\d:\d\d.*|\d{4}-\d\d-\d\d.*", ends[1]), ends[1]
        for later in (path, f"{path}/secret", f"{path}/edit"):
            page = (await admin.get(later)).text
            assert shown[1] not in page
            assert old not in page


async def test_only_who_may_change_a_webhook_makes_its_secret(site: Site) -> None:
    path = await webhook(site)
    made = await channel_setup.add(site.app.office.of(OPERATOR), "console", "screen", {})
    async with await browser(site, "viewer") as viewer, await browser(site, "admin") as admin:
        assert f"{path}/secret" not in (await viewer.get(path)).text
        assert (await viewer.get(f"{path}/secret")).status_code == 403
        assert (await viewer.post(f"{path}/secret", data={"keep": "1h"})).status_code == 403
        for answer in (
            await admin.get(f"/channels/{made['id']}/secret"),
            await admin.post(f"/channels/{made['id']}/secret", data={"keep": "1h"}),
        ):
            assert answer.status_code == 409
            assert "only webhooks" in answer.text
        assert (await admin.get("/channels/999/secret")).status_code == 404
