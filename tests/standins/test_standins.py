"""The stand-ins keep the rules of what they stand in for, and run as processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from lastseen.clock import SystemClock
from lastseen.model import Delivered, Retry
from lastseen.notifiers.signing import new_secret
from lastseen.notifiers.webhook import Webhook
from tests.notifiers.builders import message
from tests.standins.telegram import TOKEN, BotApi, Refused, parse_html
from tests.standins.webhook import WebhookReceiver
from tests.support import eventually


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi(chats=(1, 2, -5)).serving() as api:
        yield api


async def call(api: BotApi, method: str, token: str = TOKEN, **given: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer: dict[str, Any] = (await http.post(f"{api.url}/bot{token}/{method}", data=given)).json()
    return answer


async def test_the_bot_api_answers_as_documented(api: BotApi) -> None:
    assert (await call(api, "getMe"))["result"]["is_bot"]
    assert (await call(api, "getMe", token="1:another"))["error_code"] == 401
    assert (await call(api, "getMe", token="nonsense"))["error_code"] == 404
    assert (await call(api, "sendMessage", chat_id=9, text="x"))["description"] == "Bad Request: chat not found"
    assert (await call(api, "sendMessage", chat_id=1, text="x" * 4097))[
        "description"
    ] == "Bad Request: message is too long"
    assert (await call(api, "sendMessage", chat_id=1, text=" "))["description"] == "Bad Request: message text is empty"
    number = (await call(api, "sendMessage", chat_id=1, text="x"))["result"]["message_id"]
    assert (await call(api, "editMessageText", chat_id=1, message_id=number, text="y"))["ok"]
    assert "not modified" in (await call(api, "editMessageText", chat_id=1, message_id=number, text="y"))["description"]


async def test_the_bot_api_refuses_more_than_its_limits(api: BotApi) -> None:
    answers = [await call(api, "sendMessage", chat_id=1, text="x") for _ in range(4)]
    assert [answer["ok"] for answer in answers] == [True, True, True, False]
    assert answers[3]["error_code"] == 429
    assert answers[3]["parameters"]["retry_after"] >= 1
    assert (await call(api, "sendMessage", chat_id=2, text="x"))["ok"], "another chat is not concerned"


async def test_the_bot_api_changes_messages_as_documented(api: BotApi) -> None:
    number = (await call(api, "sendMessage", chat_id=1, text="x"))["result"]["message_id"]

    async def edit(**given: Any) -> str:
        answer = await call(api, "editMessageText", **{"chat_id": 1, "message_id": number, "text": "y", **given})
        return "ok" if answer["ok"] else str(answer["description"])

    async def buttons(row: list[dict[str, str]]) -> str:
        return await edit(reply_markup=json.dumps({"inline_keyboard": [row]}))

    api.limits = False
    assert await edit() == "ok"
    assert await buttons([{"text": "Ack", "callback_data": "a"}]) == "ok"
    assert "not modified" in await buttons([{"text": "Ack", "callback_data": "a"}])
    assert await buttons([{"text": "Ack", "callback_data": "a" * 65}]) == "Bad Request: BUTTON_DATA_INVALID"
    assert "URL 'http://x' is invalid" in await buttons([{"text": "Open", "url": "http://x"}])
    assert await edit(message_id=5) == "Bad Request: message to edit not found"
    assert (await call(api, "editMessageReplyMarkup", chat_id=1, message_id=number))["ok"]
    api.age(number, 49)
    assert await edit(text="z") == "Bad Request: message can't be edited"


async def test_a_press_is_answered_once(api: BotApi) -> None:
    press = api.press_raw(api._message(5, api.chats[1], "x"), "data")
    updates = (await call(api, "getUpdates"))["result"]
    assert (updates[0]["callback_query"]["id"], updates[0]["callback_query"]["data"]) == (press, "data")
    assert (await call(api, "answerCallbackQuery", callback_query_id=press, text="x" * 201))["error_code"] == 400
    assert (await call(api, "answerCallbackQuery", callback_query_id=press, text="done"))["ok"]
    assert "too old" in (await call(api, "answerCallbackQuery", callback_query_id=press))["description"]
    assert api.toasts == [(press, "done")]


async def test_updates_come_again_until_later_ones_are_asked_for(api: BotApi) -> None:
    for text in ("one", "two", "three"):
        api.say(1, text)

    async def asked(**given: Any) -> list[str]:
        found = (await call(api, "getUpdates", **given))["result"]
        return [one.get("message", {}).get("text", "") for one in found]

    assert await asked(limit=2) == ["one", "two"]
    assert await asked() == ["one", "two", "three"]
    second = (await call(api, "getUpdates"))["result"][1]["update_id"]
    assert await asked(offset=second) == ["two", "three"]
    assert await asked(offset=-1) == ["three"]
    assert await asked(allowed_updates='["callback_query"]') == []
    assert await asked() == [], "it is remembered what was asked for"
    api.webhook = True
    assert (await call(api, "getUpdates"))["error_code"] == 409


async def test_of_two_who_read_the_earlier_is_told_so_and_who_hung_up_is_told_nothing(api: BotApi) -> None:
    async def polls() -> asyncio.Task[dict[str, Any]]:
        before = api.calls.count("getUpdates")
        task = asyncio.create_task(call(api, "getUpdates", timeout=60))
        await eventually(lambda: api.calls.count("getUpdates") > before)
        return task

    one, other = await polls(), await polls()
    assert (await one)["error_code"] == 409
    assert len(api.refused) == 1
    other.cancel()
    await asyncio.wait([other])
    third = await polls()
    api.say(1, "hello")
    assert len((await third)["result"]) == 1
    assert len(api.refused) == 1


async def test_topics_and_commands_have_their_rules(api: BotApi) -> None:
    api.chats[-5].topics = {3: "open", 4: "closed"}

    async def say(thread: int) -> str:
        answer = await call(api, "sendMessage", chat_id=-5, text="x", message_thread_id=thread)
        return "ok" if answer["ok"] else str(answer["description"])

    assert [await say(3), await say(4), await say(5)] == [
        "ok",
        "Bad Request: TOPIC_CLOSED",
        "Bad Request: message thread not found",
    ]
    wrong = json.dumps([{"command": "Status", "description": "x"}])
    assert (await call(api, "setMyCommands", commands=wrong))["error_code"] == 400


@pytest.mark.parametrize("text", ["<b>a", "a</b>", "<b><i>a</b></i>", "<x>a</x>", "a < b", "<b", "<a onclick=x>"])
def test_the_bot_api_parses_strictly(text: str) -> None:
    with pytest.raises(Refused, match="can't parse entities"):
        parse_html(text)


def test_the_bot_api_shows_what_is_behind_the_tags() -> None:
    assert parse_html('<b>a</b> &lt;b&gt; &amp; <a href="x">c</a> & d') == "a <b> & c & d"


@contextmanager
def process(module: str, *arguments: str) -> Iterator[tuple[str, Any]]:
    with subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield json.loads(running.stdout.readline())["url"], running.stdout
        finally:
            running.terminate()


def test_the_bot_api_runs_as_a_process_and_takes_orders() -> None:
    with process("tests.standins.telegram", "--chat", "7") as (url, lines):
        given = {"chat_id": 7, "text": "hello"}
        assert httpx.post(f"{url}/bot{TOKEN}/sendMessage", data=given, trust_env=False).status_code == 200
        assert json.loads(lines.readline())["text"] == "hello"
        httpx.post(f"{url}/control", json={"state": [7, "blocked"]}, trust_env=False)
        assert httpx.post(f"{url}/bot{TOKEN}/sendMessage", data=given, trust_env=False).status_code == 403


async def test_the_receiver_runs_as_a_process_and_tells_what_it_took() -> None:
    secret = new_secret()
    with process("tests.standins.webhook", "--secret", secret, "--fail-first", "1") as (url, lines):
        webhook = Webhook(Webhook.Config(url=url, secret=SecretStr(secret)))
        assert isinstance(await webhook.send(now()), Retry)
        assert isinstance(await webhook.send(now()), Delivered)
        await webhook.close()
        told = [json.loads(lines.readline()) for _ in range(2)]
    assert [one["verdict"] for one in told] == ["failed", "ok"]
    assert told[1]["machine"] == "db-01"


def now() -> Any:
    return message(wall=SystemClock().wall())


async def test_the_receiver_verifies_and_counts_repeats() -> None:
    secret = new_secret()
    async with WebhookReceiver(secret) as receiver:
        right, wrong = (Webhook(Webhook.Config(url=receiver.url, secret=SecretStr(s))) for s in (secret, new_secret()))
        assert isinstance(await wrong.send(now()), Retry)
        assert isinstance(await right.send(message(wall=datetime(2025, 1, 1, tzinfo=UTC))), Retry), "an old timestamp"
        await right.send(now())
        await right.send(now())
        await right.close()
        await wrong.close()
    assert [one.verdict for one in receiver.deliveries] == ["unsigned", "unsigned", "ok", "ok"]
    assert receiver.repeats == 1


@pytest.mark.parametrize("how", ["reset", "503"])
async def test_the_receiver_fails_for_a_while(how: str) -> None:
    secret = new_secret()
    async with WebhookReceiver(secret, fail_for=0.2, how=how) as receiver:
        webhook = Webhook(Webhook.Config(url=receiver.url, secret=SecretStr(secret)))

        async def taken() -> bool:
            return isinstance(await webhook.send(now()), Delivered)

        assert not await taken()
        await eventually(taken)
        await webhook.close()
