"""The ntfy notifier against a stand-in of the server, over real HTTP and through the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from lastseen.errors import InvalidInput
from lastseen.model import Delivered, Message, Rejected, Retry, Scope
from lastseen.notifiers.guard import Policy, guarded_client
from lastseen.notifiers.message import render
from lastseen.notifiers.ntfy import LONGEST, Ntfy
from lastseen.notifiers.tools import Tools
from lastseen.plugins import check_config, split_secrets
from lastseen.testing import NotifierSuite
from lastseen.testing.far_end import FarEnd
from lastseen.testing.http_server import Answer
from tests.notifiers.builders import at, delivery, message, offline, online
from tests.secrecy import secret
from tests.standins.ntfy import ERRORS, PASSWORD, TOKEN, TOPIC, USER, NtfyServer, refused

for text in (PASSWORD, TOKEN, TOPIC):
    secret(text)


@pytest.fixture
async def server() -> AsyncIterator[NtfyServer]:
    async with NtfyServer().serving() as server:
        yield server


def ntfy(server: NtfyServer, **changes: Any) -> Ntfy:
    return Ntfy(Ntfy.Config(**{"topic": SecretStr(TOPIC), "url": server.url, **changes}))


async def say(speaker: Ntfy, what: Message) -> Any:
    try:
        return await speaker.send(what)
    finally:
        await speaker.close()


# -- what is published


async def test_a_message_has_its_title_apart_and_its_name_as_the_receipt(server: NtfyServer) -> None:
    what = render([delivery(offline("a<b> & ü"))], at("03:02:13"))
    outcome = await say(ntfy(server), replace(what, id="6b1e4f9e-7a4c-5d7e-9a55-0c6f1d1e0001"))
    (got,) = server.published
    assert outcome == Delivered(receipt="6b1e4f9e-7a4c-5d7e-9a55-0c6f1d1e0001")
    assert (got.topic, got.title) == (TOPIC, what.title)
    assert f"{got.title}\n{got.message}" == what.text


async def test_what_makes_a_sound_has_a_high_priority_and_the_rest_a_low_one(server: NtfyServer) -> None:
    for loud, priority in ((True, 4), (True, 5), (True, 1), (False, 4), (False, 1)):
        await say(ntfy(server, priority=priority), message(loud=loud))
    assert [one.priority for one in server.published] == [4, 5, 1, 2, 1]


async def test_tags_and_a_link_go_with_it(server: NtfyServer) -> None:
    await say(ntfy(server), message())
    await say(ntfy(server, tags=("house", "cellar"), click="https://status.example.org/x"), message())
    assert [(one.tags, one.click) for one in server.published] == [
        ((), None),
        (("house", "cellar"), "https://status.example.org/x"),
    ]


async def test_a_title_alone_is_the_message(server: NtfyServer) -> None:
    await say(ntfy(server), message(title="🟢 db-01 is online", text="🟢 db-01 is online"))
    assert [(one.title, one.message) for one in server.published] == [("", "🟢 db-01 is online")]


async def test_a_notification_that_arrives_twice_is_shown_once(server: NtfyServer) -> None:
    await say(ntfy(server), message())
    await say(ntfy(server), message())
    await say(ntfy(server), replace(message(), id="another"))
    assert len(server.published) == 3
    assert len(server.shown) == 2


async def test_a_recovery_stands_beside_its_alert_or_takes_its_place(server: NtfyServer) -> None:
    alert = await say(ntfy(server), message())
    back = message(online(), title="🟢 db-01 back", reply_to=alert.receipt)
    await say(ntfy(server), back)
    assert len(server.shown) == 2
    outcome = await say(ntfy(server, replace_alert=True), back)
    assert outcome.receipt == alert.receipt
    assert server.published[-1].sequence == server.published[0].sequence


async def test_a_message_that_is_edited_is_shown_once_and_makes_no_sound(server: NtfyServer) -> None:
    speaker = ntfy(server)
    first = await speaker.send(message(title="🔴 berlin: 12 of 40 offline"))
    assert isinstance(first, Delivered)
    assert first.receipt is not None
    what = replace(message(title="🔴 berlin: 37 of 40 offline", loud=False), id="n-later")
    assert await speaker.edit(first.receipt, what) == first
    await speaker.close()
    (shown,) = server.shown
    assert (shown.title, shown.priority) == ("🔴 berlin: 37 of 40 offline", 2)


async def test_a_long_message_is_cut_between_characters_and_does_not_become_a_file(server: NtfyServer) -> None:
    server.attachments = True
    assert isinstance(await say(ntfy(server), message(text="title\n" + "ü🔴" * 3000)), Delivered)
    (got,) = server.published
    assert not got.attached
    assert LONGEST - 8 < len(got.message.encode()) <= LONGEST
    assert got.message.endswith("…")


@pytest.mark.parametrize("code", [40014, 41301, 41303])
async def test_what_is_too_long_for_this_server_is_said_in_one_line_at_once(server: NtfyServer, code: int) -> None:
    server.trouble.append(refused(code))
    assert isinstance(await say(ntfy(server), message(title="🔴 db-01 offline")), Delivered)
    assert [(one.title, one.message) for one in server.published] == [("", "🔴 db-01 offline")]


@pytest.mark.parametrize("title", ["x\r\nPriority: 5", "\ud800", "", "x" * 5000])
async def test_odd_titles_arrive(server: NtfyServer, title: str) -> None:
    assert isinstance(await say(ntfy(server), message(title=title, text=f"{title}\nbody")), Delivered)
    assert len(server.published[0].title) <= 200


# -- who may


async def test_a_token_or_a_password_opens_the_topic(server: NtfyServer) -> None:
    server.open_to_all = False
    assert isinstance(await say(ntfy(server, token=SecretStr(TOKEN)), message()), Delivered)
    assert isinstance(await say(ntfy(server, user=USER, password=SecretStr(PASSWORD)), message()), Delivered)
    outcome = await say(ntfy(server), message())
    assert outcome == Retry("403 from 127.0.0.1: this user may not write to the topic")


@pytest.mark.parametrize(
    "given", [{"token": SecretStr("tk_wrong_0123456789")}, {"user": USER, "password": SecretStr("wr0ng-password")}]
)
async def test_a_wrong_one_is_said_and_not_repeated(server: NtfyServer, given: dict[str, Any]) -> None:
    outcome = await say(ntfy(server, **given), message())
    assert outcome == Retry("401 from 127.0.0.1: the token or the password is wrong")


# -- what the server says


async def test_too_many_requests_wait_as_long_as_it_says(server: NtfyServer) -> None:
    server.burst = 1
    assert isinstance(await say(ntfy(server), message()), Delivered)
    outcome = await say(ntfy(server), message())
    assert outcome == Retry("429 from 127.0.0.1: limit reached: too many requests")
    server.trouble.append(refused(42908, {"retry-after": "17"}))
    outcome = await say(ntfy(server), message())
    assert outcome.after == timedelta(seconds=17)


MEANINGS = [
    (40007, Rejected, Scope.NOTIFICATION),
    (40009, Rejected, Scope.CHANNEL),
    (40010, Rejected, Scope.CHANNEL),
    (40017, Rejected, Scope.NOTIFICATION),
    (40401, Retry, Scope.CHANNEL),
    (50001, Retry, Scope.CHANNEL),
    (50701, Retry, Scope.CHANNEL),
]


@pytest.mark.parametrize(("code", "kind", "scope"), MEANINGS)
async def test_what_its_codes_mean(server: NtfyServer, code: int, kind: type, scope: Scope) -> None:
    server.trouble.append(refused(code))
    outcome = await say(ntfy(server), message(text="title\nLast heartbeat 03:00:12."))
    assert isinstance(outcome, kind)
    assert outcome.scope is scope
    words = "there is no ntfy server" if code == 40401 else ERRORS[code][1]
    assert outcome.reason == f"{ERRORS[code][0]} from 127.0.0.1: {words}"


async def test_a_topic_of_the_servers_own_is_gone(server: NtfyServer) -> None:
    outcome = await say(ntfy(server, topic=SecretStr("settings")), message())
    assert outcome == Rejected("400 from 127.0.0.1: invalid request: topic name is not allowed", Scope.CHANNEL)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"code":"x"}', b'{"error":1}', b"\xff\xfe", b"<html>"])
async def test_an_answer_of_another_kind_is_understood_by_its_status(server: NtfyServer, body: bytes) -> None:
    server.trouble.append(Answer(503, body))
    outcome = await say(ntfy(server), message())
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("503 from 127.0.0.1")


async def test_an_address_that_is_not_allowed_is_not_reached(server: NtfyServer) -> None:
    async with guarded_client(Policy()) as http:
        speaker = Ntfy(Ntfy.Config(topic=SecretStr(TOPIC), url=server.url), Tools(http))
        outcome = await speaker.send(message())
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("127.0.0.1: ")
    assert server.published == []


async def test_the_stand_in_keeps_the_limits_of_the_server(server: NtfyServer) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:

        async def code(**body: Any) -> int:
            answer = await http.post(server.url, json=body)
            return int(answer.json().get("code", 0))

        assert await code(topic="a", message="x" * 4096) == 0
        assert await code(topic="a", message="x" * 4097) == 40014
        assert await code(topic="a", message="x" * 12_000) == 41303
        assert await code(topic="a b") == 40009
        assert await code(message="x") == 40017
        assert await code(topic="a", priority=9) == 40007
        server.attachments = True
        assert await code(topic="a", message="x" * 4097) == 0
        assert (await http.get(f"{server.url}/a/b/c")).status_code == 404
    assert [one.attached for one in server.published] == [False, True]


# -- settings


BAD = [
    ({"topic": ""}, "topic"),
    ({"topic": "a/b"}, "topic"),
    ({"topic": "x" * 65}, "topic"),
    ({"topic": "höhle"}, "topic"),
    ({"url": "ntfy.sh"}, "url"),
    ({"url": "https://phil:pass@ntfy.sh"}, "url"),
    ({"url": "https://ntfy.sh/mytopic"}, "url"),
    ({"url": "https://169.254.169.254"}, "url"),
    ({"priority": "6"}, "priority"),
    ({"tags": ["a,b"]}, "tags"),
    ({"click": "javascript:x"}, "click"),
    ({"token": "tk with spaces"}, "token"),
    ({"user": "phil"}, ""),
    ({"token": "tk_x", "user": "phil", "password": "p"}, ""),
]


@pytest.mark.parametrize(("change", "field"), BAD, ids=[str(change) for change, _ in BAD])
def test_settings_that_cannot_be_are_refused_by_their_name(change: dict[str, Any], field: str) -> None:
    check_config("ntfy", {"topic": "ok"})
    with pytest.raises(InvalidInput) as caught:
        check_config("ntfy", {"topic": "ok", **change})
    assert caught.value.field == field


def test_the_topic_is_a_secret() -> None:
    config, secrets = split_secrets("ntfy", {"topic": TOPIC, "url": "https://ntfy.sh", "token": TOKEN})
    assert config == {"url": "https://ntfy.sh"}
    assert secrets == {"topic": TOPIC, "token": TOKEN}


class TestNtfyBySuite(NotifierSuite):
    def make(self, server: FarEnd, tools: Any) -> Ntfy:
        return Ntfy(Ntfy.Config(topic=SecretStr(TOPIC), url=server.url, token=SecretStr(TOKEN)), tools)


class TestNtfyWithAPasswordBySuite(NotifierSuite):
    def make(self, server: FarEnd, tools: Any) -> Ntfy:
        config = Ntfy.Config(topic=SecretStr(TOPIC), url=server.url, user=USER, password=SecretStr(PASSWORD))
        return Ntfy(config, tools)
