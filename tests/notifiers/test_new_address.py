"""A channel whose address becomes another while something is sent: told there, once, and not held to what the old one
said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lastseen.manage import channel_setup, channels, notifications
from lastseen.testing.http_server import Answer, Received, http_server
from tests.secrecy import secret
from tests.standins.telegram import TOKEN, BotApi
from tests.support import eventually
from tests.web.site import Site, a_site


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi(chats=(7, 8)).serving() as made:
        yield made


@pytest.fixture
async def site(tmp_path: Path, api: BotApi) -> AsyncIterator[Site]:
    async with a_site(tmp_path, telegram_api_url=api.url) as made, made.app.monitor:
        yield made


class OldAddress:
    """It answers when it may, that nobody is there any more."""

    def __init__(self) -> None:
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def handle(self, request: Received) -> Answer:
        self.asked.set()
        await self.may_answer.wait()
        return Answer(410)


class Address:
    """It takes everything, or nothing. By the clock of these tests no signature is right: nobody looks at it."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.told = status, list[str]()

    async def handle(self, request: Received) -> Answer:
        self.told.append(request.json["type"])
        return Answer(self.status)


async def alarm(site: Site, slug: str) -> None:
    """A machine says that it is not well."""
    await site.app.monitor.watch(slug)
    await site.app.monitor.heartbeat(slug, {"status": "error", "message": "no water"})


async def states(site: Site) -> list[str]:
    """Of what was wanted."""
    found = await notifications.found(site.app.office)
    return [one["state"] for one in found if one["state"] != "skipped"]


async def test_what_the_old_address_says_too_late_is_held_against_nobody(site: Site) -> None:
    office, old, new = site.app.office, OldAddress(), Address()
    async with http_server(old.handle) as url, http_server(new.handle) as new_url:
        made = await channel_setup.add(office, "webhook", "ops", {"url": f"{url}/"})
        secret(made["secret"])
        await alarm(site, "pump")
        await eventually(old.asked.is_set)
        await channel_setup.configure(office, "ops", {"url": new_url})
        old.may_answer.set()
        await eventually(lambda: _is(site, ["pending"]))
        site.clock.seconds += 1  # less than any cool-down
        site.app.monitor.dispatcher.wake()
        await eventually(lambda: _is(site, ["delivered"]))
        assert new.told == ["machine.error"]
        ops = await channels.show(office, "ops")
        assert ops["enabled"], "410 of the old address switches nothing off"


async def _is(site: Site, wanted: list[str]) -> bool:
    return await states(site) == wanted


async def test_what_failed_at_the_old_address_is_told_at_the_new_one_without_its_cool_down(site: Site) -> None:
    office, old, new = site.app.office, Address(500), Address()
    async with http_server(old.handle) as url, http_server(new.handle) as new_url:
        made = await channel_setup.add(office, "webhook", "ops", {"url": url})
        secret(made["secret"])
        await alarm(site, "pump")

        async def failing() -> bool:
            return bool((await site.store.checkup(site.clock.now())).channels[0].failing_since)

        await eventually(failing)  # by a clock that stands still: its cool-down never ends
        await channel_setup.configure(office, "ops", {"url": new_url})
        began = site.clock.seconds

        async def told() -> bool:
            if len(old.told) > 1:  # the lane was just about to try there again: that says nothing any more
                site.clock.seconds = began + 1  # less than any cool-down
            return await _is(site, ["delivered"])

        await eventually(told)
        assert new.told == ["machine.error"]
        assert not await failing()


async def test_a_chat_that_gets_another_bot_is_told_by_that_one_once(site: Site, api: BotApi) -> None:
    office, token = site.app.office, secret("78:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr")
    async with BotApi(token, chats=(8,)).serving() as another:
        await channel_setup.add(office, "telegram", "chat", {"token": TOKEN, "chat_id": 7})
        await alarm(site, "pump")
        await eventually(lambda: _is(site, ["delivered"]))
        first = (await channels.find(office, "chat")).lane
        said = {"token": token, "chat_id": 8, "api_url": another.url}
        await channel_setup.configure(office, "chat", said)
        await alarm(site, "fan")
        await eventually(lambda: _is(site, ["delivered", "delivered"]))
        lane = (await channels.find(office, "chat")).lane
        assert (first, lane) == (f"telegram:{TOKEN.partition(':')[0]}", "telegram:78")
        assert (len(api.messages), len(another.messages)) == (1, 1)
