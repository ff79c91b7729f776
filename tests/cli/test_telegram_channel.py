"""Connecting a Telegram chat from the command line, against a Bot API over real HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.cli.conftest import Cli
from tests.cli.connecting import asking, run
from tests.standins.telegram import TOKEN, BotApi


@pytest.fixture
async def api(cli: Cli) -> AsyncIterator[BotApi]:
    async with BotApi(chats=(1, -8)).serving() as api:
        cli.env["LASTSEEN_TELEGRAM_API_URL"] = api.url
        yield api


async def test_without_a_chat_id_it_prints_a_code_and_waits_for_who_sends_it(cli: Cli, api: BotApi) -> None:
    cli.env["TELEGRAM_BOT_TOKEN"] = TOKEN
    asked = await asking(cli)
    api.say(-8, f"/start {asked.code}", thread=3)
    made = await asked.answered()
    assert made == {"id": 1, "type": "telegram", "name": "ops"}
    (listed,) = await anyio.to_thread.run_sync(lambda: cli.beside("channels", "list", "--json").value)
    assert listed["config"] == {"chat_id": -8, "thread_id": 3}
    assert TOKEN not in f"{asked.said} {made} {listed}"
    assert "Connected" in api.messages[-1].text


async def test_with_a_chat_id_it_is_there_at_once_and_can_be_tried(cli: Cli, api: BotApi, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    token = ("--bot-token-file", str(tmp_path / "token"))
    code, out, err = await run(cli, "channels", "add", "telegram", "--name", "ops", "--chat-id", "-8", *token, "--json")
    assert (code, json.loads(out)) == (0, {"id": 1, "type": "telegram", "name": "ops"}), err
    assert "getUpdates" not in api.calls
    code, out, err = await run(cli, "channels", "test", "ops", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True), err
    assert api.messages[-1].chat_id == -8
    assert "Test" in api.messages[-1].text

    api.state(-8, "blocked")
    code, out, err = await run(cli, "channels", "test", "ops", "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)
    assert TOKEN not in out + err


async def test_a_wrong_token_is_told_before_anybody_waits(cli: Cli, api: BotApi) -> None:
    cli.env["TELEGRAM_BOT_TOKEN"] = "1:wrong"
    code, out, err = await run(cli, "channels", "add", "telegram", "--name", "ops")
    assert (code, out) == (1, "")
    assert "BotFather" in err
    assert "1:wrong" not in err


def test_without_a_token_it_says_where_one_comes_from(cli: Cli) -> None:
    done = cli("channels", "add", "telegram", "--name", "ops")
    assert done.code == 1
    assert "TELEGRAM_BOT_TOKEN" in done.err
