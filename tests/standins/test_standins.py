"""The stand-ins keep the rules of what they stand in for, and run as processes."""

from __future__ import annotations

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
from lastseen.notifiers.webhook import Webhook, new_secret
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
