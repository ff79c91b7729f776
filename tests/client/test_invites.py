"""A Telegram chat is connected by a server that reads the bot, from a computer that knows only its address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.connecting import asking, run
from tests.fresh import new_database
from tests.standins.telegram import TOKEN, BotApi
from tests.starting import start
from tests.support import eventually


@dataclass
class Far:
    """`here` has the database; `admin` and `member` the address of its server, and a key each."""

    here: Cli
    admin: Cli
    member: Cli
    bot: BotApi


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Far]:
    (tmp_path / "data").mkdir(0o700)
    new_database(tmp_path / "data" / "lastseen.db")
    async with BotApi(chats=(1, -8)).serving() as bot:
        env = {"LASTSEEN_TELEGRAM_API_URL": bot.url, "TELEGRAM_BOT_TOKEN": TOKEN, "LASTSEEN_PORT": "0"}
        here = Cli(tmp_path / "data", env)
        await run(here, "users", "add", "ada")
        for name, more in (("admin", ()), ("member", ("--user", "ada"))):
            _, out, _ = await run(here, "keys", "add", "api", "--may", "write", *more, "--json")
            (tmp_path / name).write_text(json.loads(out)["key"])
        log = tmp_path / "log"
        with log.open("wb") as stream:
            process = start(["serve"], {**here.environment(), "LASTSEEN_LOG_FORMAT": "json"}, errors=stream)
        try:
            await eventually(lambda: bot.polled)
            serving = await eventually(lambda: [one for one in log.read_text().splitlines() if '"serving"' in one])
            url = json.loads(serving[0])["url"]
            asked = [
                Cli(tmp_path / "nothing", {"LASTSEEN_SERVER": url, "LASTSEEN_API_KEY_FILE": str(tmp_path / who)})
                for who in ("admin", "member")
            ]
            yield Far(here, *asked, bot)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 60)


async def test_a_server_makes_a_link_and_the_chat_that_opens_it_is_of_who_asked(far: Far) -> None:
    code, out, err = await run(far.member, "channels", "invite", "phone", "--silent", "--topic", "5", "--json")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert made["link"] == f"https://t.me/lastseen_bot?start={made['code']}"
    assert TOKEN not in out
    far.bot.open_link(-8, made["code"])
    await eventually(lambda: far.bot.messages)
    ((one),) = json.loads((await run(far.admin, "channels", "list", "--json"))[1])
    assert (one["name"], one["owner"], one["config"]["silent"]) == ("phone", "ada", True)
    code, out, err = await run(far.admin, "channels", "invite", "ops")
    assert (code, "█" in out, err) == (0, True, "")
    code, _, err = await run(far.admin, "channels", "invite", "ops", "--expires", "31d")
    assert (code, "at most 30 days" in err) == (2, True)
    code, _, err = await run(far.admin, "channels", "invite", "phone")
    assert (code, "there is a channel 'phone' already" in err) == (1, True)


async def test_a_channel_is_added_as_soon_as_somebody_sends_the_code(far: Far) -> None:
    asked = await asking(far.admin)
    far.bot.say(1, f"/start {asked.code}")
    assert (await asked.answered())["name"] == "ops"


async def test_only_an_admin_brings_another_bot(far: Far, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    words = ("channels", "invite", "phone", "--bot-token-file", str(token))
    code, _, err = await run(far.member, *words)
    assert (code, "only an admin" in err) == (1, True)
    assert (await run(far.admin, *words))[0] == 0
    token.write_text("nothing")
    code, _, err = await run(far.admin, *words)
    assert (code, "--bot-token-file" in err) == (1, True)
    assert "nothing" not in err
