"""Who is told of what is somebody's: their own channels, and those that everybody shares."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.bot.bots import Bots
from lastseen.errors import ConfigurationError, Forbidden, InvalidInput
from lastseen.manage import channel_setup, channels, invites, machines, notifications
from lastseen.manage.office import Office
from lastseen.manage.who import Who
from tests.api.conftest import Api, an_api
from tests.secrecy import secret

HOOK = {"url": "https://hooks.example.org/x"}
TOKEN, ANOTHER = secret("1111:" + "a" * 35), secret("1111:" + "b" * 35)


@dataclass
class Two:
    """Ada and Ben, members, each with a machine and a channel; and one of each that everybody shares."""

    api: Api
    ada: Office
    ben: Office

    @property
    def office(self) -> Office:
        return self.api.app.office

    async def silent(self) -> None:
        """All machines were heard, and fall silent."""
        for slug in ("adas", "bens", "everybodys"):
            key = (await machines.rotate_key(self.office, slug))["key"]
            answer = await self.api.http.post("/api/v1/heartbeat", headers={"X-API-Key": key})
            assert answer.status_code == 204
        await self.api.clock.advance(timedelta(minutes=5))
        await self.api.clock.settled()

    async def told(self, channel: str) -> set[str]:
        """The machines whose silence this channel is told of."""
        every = await notifications.found(self.office, channel=channel)
        return {one["machine"] for one in every if one["type"] == "machine.offline" and one["state"] != "skipped"}


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with an_api(tmp_path, public_url="https://status.example.org", telegram_bot_token=None) as api:
        store, office, made = api.app.store, api.app.office, {}
        for name in ("ada", "ben"):
            user = await store.add_user(name, "member", None, api.clock.now())
            made[name] = office.of(Who(name, "member", user.id, through="session"))
            await machines.add(made[name], f"{name}s", {})
            await channel_setup.add(made[name], "webhook", f"of-{name}", HOOK)
        await machines.add(office, "everybodys", {})
        await channel_setup.add(office, "webhook", "of-all", HOOK)
        yield Two(api, **made)


async def test_somebodys_channel_hears_of_what_is_shared_and_of_what_is_theirs(two: Two) -> None:
    await two.silent()
    assert await two.told("of-all") == {"adas", "bens", "everybodys"}
    assert await two.told("of-ada") == {"adas", "everybodys"}
    assert await two.told("of-ben") == {"bens", "everybodys"}


async def test_what_everybody_is_told_goes_to_nobodys_own_channel_when_it_fails(two: Two) -> None:
    with pytest.raises(InvalidInput) as raised:
        await channels.wish(two.ada, "of-all", lambda wishes: wishes, fallback="of-ada")
    assert raised.value.field == "fallback"
    await channels.wish(two.ada, "of-ada", lambda wishes: wishes, fallback="of-all")
    assert (await channels.show(two.office, "of-ada"))["fallback"] == "of-all"


@pytest.mark.parametrize("more", [{}, {"token": ANOTHER}])
async def test_a_members_channel_leads_to_no_other_telegram_server(two: Two, more: dict[str, Any]) -> None:
    config = {"token": TOKEN, "chat_id": 7}
    elsewhere = {**more, "api_url": "http://127.0.0.1:9/"}
    with pytest.raises(InvalidInput) as raised:
        await channel_setup.add(two.ada, "telegram", "mine", {**config, **elsewhere})
    assert raised.value.field == "api_url"
    await channel_setup.add(two.ada, "telegram", "mine", config)
    with pytest.raises(InvalidInput):
        await channel_setup.configure(two.ada, "mine", elsewhere)
    await channel_setup.add(two.office, "telegram", "everybodys-chat", {**config, **elsewhere})


async def test_a_members_channel_writes_nothing_into_the_servers_log(two: Two) -> None:
    with pytest.raises(Forbidden):
        await channel_setup.add(two.ada, "console", "mine", {})
    await channel_setup.add(two.office, "console", "everybodys-screen", {})


async def test_nobody_takes_a_bot_that_everybody_shares(two: Two) -> None:
    """Its number is no secret: whose token is read, and where, is not for a member to say."""
    await channel_setup.add(two.office, "telegram", "chat", {"token": TOKEN, "chat_id": 7})
    await channel_setup.add(two.ada, "telegram", "mine", {"token": ANOTHER, "chat_id": 8})
    wanted = await Bots(two.api.app.monitor, None, None)._wanted()
    assert {bot.token for bot in wanted.values()} == {TOKEN}


async def test_nobody_is_invited_by_a_members_own_bot(two: Two) -> None:
    await channel_setup.add(two.ada, "telegram", "mine", {"token": ANOTHER, "chat_id": 8})
    with pytest.raises(ConfigurationError, match="TELEGRAM_BOT_TOKEN"):
        await invites.invite(two.office, "phone", {})
