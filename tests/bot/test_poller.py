"""Reading a bot over restarts, beside others that read it, and through whatever comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pydantic import SecretStr

from lastseen.bot.updates import Moved, Pressed, Said, plain, read
from tests.bot.conftest import Site, a_site
from tests.standins.telegram import TOKEN, BotApi
from tests.support import eventually


async def test_what_was_said_meanwhile_is_answered_after_a_restart_once(tmp_path: Path, api: BotApi) -> None:
    async with a_site(tmp_path, api) as site:
        await site.connect(7)
        await site.ask(7, "/status")
    said = len(api.messages)
    api.say(7, "/list")
    async with a_site(tmp_path, api) as site:
        await eventually(lambda: len(api.messages) > said)
        await site.read()
    async with a_site(tmp_path, api) as site:
        await site.ask(7, "/help")
    assert [one.text.partition("\n")[0] for one in api.messages[said:]] == [
        "⚪ No machines yet",
        "/status – how all is, or one machine: /status db-01",
    ]


async def test_what_was_done_and_not_confirmed_is_not_done_again(tmp_path: Path, api: BotApi) -> None:
    async with a_site(tmp_path, api) as site:
        await site.connect(7)
        api.fail_after("sendMessage", "getUpdates")  # killed before it could ask for more
        await site.ask(7, "/mute 2h")
        await eventually(lambda: _kept(site))
    assert api.unread == 1
    api.trouble.clear()
    api.failing.clear()
    before = len(api.messages)
    async with a_site(tmp_path, api) as site:
        await site.read()
        assert len(await site.store.silences(site.monitor.clock.now())) == 1
    assert len(api.messages) == before


async def _kept(site: Site) -> bool:
    kept = await site.store.note("poller:123456789:after")
    newest = max(one["update_id"] for one in site.api._updates)
    return kept is not None and int(kept.partition(" ")[0]) == newest + 1


async def test_a_place_from_long_ago_is_not_believed(site: Site, tmp_path: Path, api: BotApi) -> None:
    await site.connect(7)
    await site.read()
    poller = site.served.app.bots.pollers["123456789"]
    await site.store.keep_note("poller:123456789:after", "9999999 2020-01-01T00:00:00+00:00")
    assert await poller._place() == 0
    await site.store.keep_note("poller:123456789:after", f"5 {site.monitor.clock.now().isoformat()}")
    assert await poller._place() == 5


async def test_two_servers_on_one_database_read_a_bot_one_after_the_other(tmp_path: Path, api: BotApi) -> None:
    async with a_site(tmp_path, api) as first:
        await first.connect(7)
        async with a_site(tmp_path, api) as second:
            await eventually(lambda: second.served.app.bots.pollers)
            for number in range(5):
                assert "machine" in await first.ask(7, f"/status x{number}")
            assert len(api.messages) == 6
            assert api.refused == []
        await first.ask(7, "/list")
    async with a_site(tmp_path, api) as third:
        assert "No machines" in await third.ask(7, "/list")


async def test_another_program_that_reads_the_bot_is_told_of(
    site: Site, api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lastseen.bot.poller.ELSEWHERE", 0.05)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http, anyio.create_task_group() as group:
        group.start_soon(_other_program, http, api)
        await eventually(lambda: _note(site, "another program reads this bot"))
        await site.machines("db-01")
        group.cancel_scope.cancel()
    await site.connect(7)
    await eventually(lambda: _note(site, ""))


async def _other_program(http: httpx.AsyncClient, api: BotApi) -> None:
    while True:
        await http.post(f"{api.url}/bot{TOKEN}/getUpdates", data={"timeout": 30})


async def _note(site: Site, words: str) -> bool:
    said = await site.store.note("poller:123456789:trouble")
    return said is not None and (words in said if words else said == "")


async def test_a_webhook_on_the_bot_is_told_of(site: Site, api: BotApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastseen.bot.poller.ELSEWHERE", 0.05)
    api.webhook = True
    api.say(7, "/start")
    await eventually(lambda: _note(site, "a webhook is set"))
    api.webhook = False
    await site.connect(8)


@pytest.mark.parametrize("how", [{"status": 502}, {"status": 500}, {"reset": True}, {"status": 429}, {"status": 404}])
async def test_trouble_with_telegram_passes(
    site: Site, api: BotApi, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lastseen.bot.poller.WRONG_TOKEN", 0.05)
    code = await site.invite()
    api.fail(3, **how)
    api.say(7, "/status")
    await eventually(lambda: not api.trouble)
    await site.ask(7, f"/start {code}")


async def test_a_wrong_token_disturbs_nothing_else(tmp_path: Path, api: BotApi) -> None:
    async with a_site(tmp_path, api, telegram_bot_token=SecretStr("5:wrong_token_wrong_token")) as site:
        note = await eventually(lambda: site.store.note("poller:5:trouble"))
        assert note == "401, the bot token is wrong"
        await site.machines("db-01")
        await site.lost("db-01")


GARBAGE: list[Any] = [
    None,
    "x",
    17,
    [],
    {},
    {"update_id": "x", "message": {}},
    {"message": None},
    {"message": {"chat": {"id": 7}}},
    {"message": {"chat": {"id": "7"}, "text": "/status"}},
    {"message": {"chat": {"id": 2**70}, "text": "/status"}},
    {"message": {"chat": {"id": True}, "text": "/status"}},
    {"message": {"chat": [], "text": "/status"}},
    {"message": {"chat": {"id": 7, "title": {}}, "text": ["/status"], "from": "me"}},
    {
        "message": {
            "chat": {"id": 9, "first_name": 5},
            "text": "/start " + "\u202e" * 5000,
            "from": {"first_name": None},
        }
    },
    {"message": {"chat": {"id": 7}, "text": "/" + "x" * 100_000}},
    {"message": {"chat": {"id": 7}, "migrate_to_chat_id": "x"}},
    {"callback_query": {}},
    {"callback_query": {"id": 5, "data": None, "message": {"chat": {"id": 7}}}},
    {"callback_query": {"id": "5", "data": "ack machine:1", "message": {"chat": {"id": 7}, "reply_markup": 5}}},
    {"callback_query": {"id": "5", "data": "ack machine:1", "inline_message_id": "x"}},
    {"edited_message": {"chat": {"id": 7}, "text": "/stop"}},
    {"poll": {"id": 1}},
]


async def test_garbage_is_read_over(site: Site, api: BotApi) -> None:
    await site.connect(7)
    for one in GARBAGE:
        api.update(json.loads(json.dumps(one)) if isinstance(one, dict) else one)
    assert "No machines yet" in await site.ask(7, "/list")
    api._updates = []
    assert (await site.store.channels())[0].enabled


@pytest.mark.parametrize("raw", GARBAGE)
def test_garbage_means_nothing_or_something_harmless(raw: Any) -> None:
    assert isinstance(read(raw), Said | Pressed | Moved | None)


def test_names_are_one_short_line_without_tricks() -> None:
    assert plain("a\u202eb\u200b\n c\0d") == "ab c d"
    assert plain("x" * 100) == "x" * 39 + "…"
    assert plain(5) == ""
    assert plain("\ud800") == ""
