"""`lastseen channels invite`, alone and beside a server that reads the bot."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.connecting import asking, run
from tests.standins.telegram import TOKEN, BotApi
from tests.starting import start
from tests.support import eventually


@pytest.fixture
async def api(cli: Cli) -> AsyncIterator[BotApi]:
    async with BotApi(chats=(1, -8)).serving() as api:
        cli.env |= {"LASTSEEN_TELEGRAM_API_URL": api.url, "TELEGRAM_BOT_TOKEN": TOKEN}
        yield api


@pytest.fixture
async def serving(cli: Cli, api: BotApi) -> AsyncIterator[None]:
    """`lastseen serve`, which reads the bot."""
    cli.env["LASTSEEN_PORT"] = "0"
    with Path(os.devnull).open("w") as nowhere:
        process = start(["serve"], cli.environment(), errors=nowhere)
    try:
        await eventually(lambda: api.polled)
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 60)


async def test_a_link_and_its_picture_are_printed(cli: Cli, api: BotApi) -> None:
    code, out, err = await run(cli, "channels", "invite", "ops")
    assert code == 0, err
    link = re.search(r"https://t\.me/lastseen_bot\?start=([A-Za-z0-9_-]{16})\n", out)
    assert link is not None, out
    assert f"https://t.me/lastseen_bot?startgroup={link[1]}\n" in out
    assert f"send there: /start {link[1]}" in out
    assert len([line for line in out.splitlines() if "█" in line]) > 10
    assert "Nobody reads this bot now" in err
    assert TOKEN not in out + err


async def test_programs_get_one_value(cli: Cli, api: BotApi) -> None:
    code, out, err = await run(cli, "channels", "invite", "ops", "--topic", "5", "--expires", "2h", "--json")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert made.keys() == {"id", "name", "bot", "code", "link", "group_link", "expires_at"}
    assert (made["name"], made["bot"]) == ("ops", "lastseen_bot")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--expires", "soon"), "--expires"),
        (("--expires", "31d"), "at most 30 days"),
        (("--topic", "0"), "--topic"),
        (("--bot-token-file", "/nowhere"), "--bot-token-file"),
    ],
)
async def test_what_is_wrong_is_named(cli: Cli, api: BotApi, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = await run(cli, "channels", "invite", "ops", *arguments)
    assert (code != 0, out) == (True, "")
    assert words in err


async def test_a_name_that_is_taken_is_not_promised(cli: Cli, api: BotApi) -> None:
    await run(cli, "channels", "add", "telegram", "--name", "ops", "--chat-id", "1")
    code, out, err = await run(cli, "channels", "invite", "ops")
    assert (code, out) == (1, "")
    assert "there is a channel 'ops' already" in err


async def test_the_bot_of_the_channels_is_taken_where_none_is_set(cli: Cli, api: BotApi, tmp_path: Path) -> None:
    del cli.env["TELEGRAM_BOT_TOKEN"]
    code, _, err = await run(cli, "channels", "invite", "home")
    assert (code, "set TELEGRAM_BOT_TOKEN" in err) == (1, True)
    (tmp_path / "token").write_text(TOKEN)
    await run(
        cli,
        "channels",
        "add",
        "telegram",
        "--name",
        "ops",
        "--chat-id",
        "1",
        "--bot-token-file",
        str(tmp_path / "token"),
    )
    code, _, err = await run(cli, "channels", "invite", "home", "--json")
    assert code == 0, err


@pytest.mark.usefixtures("serving")
async def test_a_server_answers_who_opens_the_link(cli: Cli, api: BotApi) -> None:
    code, out, err = await run(cli, "channels", "invite", "ops", "--silent", "--topic", "5")
    assert (code, err) == (0, "")
    found = re.search(r"start=(\S+)", out)
    assert found is not None
    api.open_link(-8, found[1])
    sent = await eventually(lambda: api.messages)
    assert sent[0].text.startswith('✅ Connected: this chat is "ops"')
    _, out, _ = await run(cli, "channels", "list", "--json")
    assert [one["config"] for one in json.loads(out)] == [{"chat_id": -8, "thread_id": 5, "silent": True}]


@pytest.mark.usefixtures("serving")
async def test_adding_a_channel_beside_a_server_lets_the_server_answer(cli: Cli, api: BotApi) -> None:
    asked = await asking(cli)
    api.say(1, f"/start {asked.code}")
    assert await asked.answered() == {"id": 1, "type": "telegram", "name": "ops"}
    assert [one.text.partition("\n")[0] for one in api.messages] == ['✅ Connected: this chat is "ops"']
    assert not [one for one in api.refused if one.startswith("409")]


async def test_another_program_that_reads_the_bot_ends_the_waiting(cli: Cli, api: BotApi) -> None:
    api.webhook = True
    code, out, err = await run(cli, "channels", "add", "telegram", "--name", "ops")
    assert (code, out) == (1, "")
    assert "another program polls this bot" in err
