"""Connecting a Telegram chat from a page: the link, its picture, and that the page says so when it is used."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lastseen.manage import channels
from tests.pages.test_forms import browser, fault
from tests.secrecy import secret
from tests.standins.telegram import TOKEN, BotApi
from tests.support import eventually
from tests.web.site import Site, a_site


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi(chats=(7,)).serving() as made:
        yield made


@pytest.fixture
async def site(tmp_path: Path, api: BotApi) -> AsyncIterator[Site]:
    """A server that reads the stand-in's bot."""
    given = {"telegram_bot_token": TOKEN, "telegram_api_url": api.url}
    async with a_site(tmp_path, **given) as made, made.app.running():
        yield made


async def test_whoever_opens_the_link_is_connected_and_the_page_says_so(site: Site, api: BotApi) -> None:
    async with await browser(site) as admin:
        assert 'href="/channels/invite"' in (await admin.get("/channels/new")).text
        page = await admin.post("/channels/invite", data={"name": "ops", "silent": "yes", "shared": "yes"})
        assert page.status_code == 200
        assert TOKEN not in page.text
        link = re.search(r'id="link" href="(https://t\.me/lastseen_bot\?start=([^"]+))"', page.text)
        assert link
        code = secret(link[2])
        assert "<svg" in page.text
        assert 'class="qr"' in page.text
        waiting = re.search(r'hx-get="(/channels/invited/\d+)"', page.text)
        assert waiting
        assert "Waiting for somebody" in (await admin.get(waiting[1])).text
        api.open_link(7, code)

        async def connected() -> bool:
            return "Connected:" in (await admin.get(waiting[1])).text

        await eventually(connected)
        ops = await channels.show(site.app.office, "ops")
        assert (ops["type"], ops["config"]["silent"]) == ("telegram", True)
        assert f'href="/channels/{ops["id"]}"' in (await admin.get(waiting[1])).text
        taken = await admin.post("/channels/invite", data={"name": "ops"})
        assert (taken.status_code, fault(taken, "name")) == (422, "there is a channel 'ops' already")


async def test_what_is_wrong_with_an_invitation_is_said(site: Site, api: BotApi) -> None:
    async with await browser(site) as admin, await browser(site, "member") as member:
        assert fault(await admin.post("/channels/invite", data={"name": ""}), "name")
        assert (await admin.get("/channels/invited/99")).status_code == 404
        api.failing.add("getMe")
        wrong = await admin.post("/channels/invite", data={"name": "ops"})
        assert wrong.status_code == 422
        assert "Telegram" in html.unescape(wrong.text)
        asked = await member.post("/channels/invite", data={"name": "mine", "token": "1:a"})
        assert asked.status_code == 403


async def test_a_bot_of_ones_own_needs_no_setting_and_no_restart(tmp_path: Path, api: BotApi) -> None:
    async with (
        a_site(tmp_path, telegram_api_url=api.url) as site,
        site.app.running(),
        await browser(site) as admin,
    ):
        begun = (await admin.get("/channels/invite")).text
        assert "@BotFather" in begun
        assert 'name="token"' in begun

        async def tried(token: str) -> str:
            answer = await admin.post("/channels/invite", data={"name": "ops", "token": token})
            assert answer.status_code == 422
            assert not token or token not in answer.text
            return fault(answer, "token")

        assert await tried("") == "must not be empty"
        assert (await tried("bot-123")).startswith("must be a bot's token")
        assert await tried("123456789:AAF-another_token") == "Telegram: 401, the bot token is wrong"
        assert await channels.listed(site.app.office) == [], "nothing is kept of what was wrong"
        page = await admin.post("/channels/invite", data={"name": "ops", "token": TOKEN, "shared": "yes"})
        assert page.status_code == 200
        assert TOKEN not in page.text
        link = re.search(r"\?start=([^\"<]+)", page.text)
        assert link
        assert 'name="token"' not in (await admin.get("/channels/invite")).text, "it is known now"
        (kept,) = await channels.listed(site.app.office)
        assert (kept["name"], kept["enabled"]) == ("@lastseen_bot", False)
        api.open_link(7, secret(link[1]))

        async def connected() -> bool:
            known = await channels.listed(site.app.office)
            return [(one["name"], one["enabled"]) for one in known] == [("ops", True)]

        await eventually(connected)


async def test_a_members_chat_becomes_a_channel_of_theirs(site: Site, api: BotApi) -> None:
    office = site.app.office
    async with (
        await browser(site, "member") as member,
        await browser(site, "viewer") as viewer,
        await browser(site, "member", "another") as another,
    ):
        assert 'href="/channels/invite"' in (await member.get("/channels/new")).text
        assert 'name="shared"' not in (await member.get("/channels/invite")).text
        page = await member.post("/channels/invite", data={"name": "mine", "shared": "yes"})
        assert page.status_code == 200
        waiting = re.search(r'hx-get="(/channels/invited/\d+)"', page.text)
        link = re.search(r"\?start=([^\"<]+)", page.text)
        assert waiting
        assert link
        for other, status in ((another, 404), (viewer, 403)):
            assert (await other.get(waiting[1])).status_code == status
        api.open_link(7, secret(link[1]))

        async def connected() -> bool:
            return "Connected:" in (await member.get(waiting[1])).text

        await eventually(connected)
        mine = await channels.show(office, "mine")
        assert (mine["type"], mine["owner"], mine["config"]["chat_id"]) == ("telegram", "member", 7)
        assert "owner" not in mine["config"]
        assert (await another.get(f"/channels/{mine['id']}")).status_code == 404
        for path in ("/channels/invite", "/channels/invited/1"):
            assert (await viewer.get(path)).status_code == 403
        assert (await viewer.post("/channels/invite", data={"name": "x"})).status_code == 403


async def test_a_link_of_somebody_who_may_make_no_channel_any_more_is_worth_nothing(site: Site, api: BotApi) -> None:
    async with await browser(site, "member") as member:
        page = await member.post("/channels/invite", data={"name": "mine"})
        link = re.search(r"\?start=([^\"<]+)", page.text)
        assert link
        found = await site.store.user("member")
        await site.store.change_user(found[0].id, role="viewer")
        api.open_link(7, secret(link[1]))
        await eventually(lambda: any("expired or was used" in one.text for one in api.messages))
        assert await channels.listed(site.app.office) == []
