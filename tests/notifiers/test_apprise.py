"""The Apprise notifier with the real library, to local far ends that answer, refuse and hang."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from lastseen import HeartbeatMonitor
from lastseen.errors import InvalidInput, PluginError
from lastseen.model import Delivered, Message, Outcome, Retry, Scope
from lastseen.notifiers import apprise as module
from lastseen.notifiers import apprise_line
from lastseen.notifiers.apprise import Apprise, addresses
from lastseen.notifiers.message import render
from lastseen.plugins import check_config, split_secrets
from lastseen.testing import NotifierSuite
from lastseen.testing.far_end import FarEnd
from lastseen.testing.http_server import Answer
from tests.notifiers.builders import at, delivery, message, offline, online
from tests.secrecy import secret
from tests.support import eventually

USER, PASSWORD, PATH = "wat1chman", "pa55-Xq7_fT29kd", "h00k-B1g-Secr3t"
for text in (PASSWORD, PATH):
    secret(text)


@pytest.fixture
def server() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


@pytest.fixture
def other() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


def url(server: FarEnd) -> str:
    return f"json://{USER}:{PASSWORD}@{server.url.removeprefix('http://')}/{PATH}"


def apprise(*urls: str) -> Apprise:
    return Apprise(Apprise.Config(urls=SecretStr("\n".join(urls))))


# -- what is sent


async def test_a_message_arrives_with_its_title_apart(server: FarEnd) -> None:
    what = render([delivery(offline("a<b> & ü :smile:"))], at("03:02:13"))
    assert await apprise(url(server)).send(what) == Delivered()
    got = server.requests[0].json
    assert (got["title"], got["type"]) == (what.title, "failure")
    assert f"{got['title']}\n{got['message']}" == what.text


async def test_what_it_tells_of_the_message_is_its_weight(server: FarEnd) -> None:
    for what in (message(), message(online(), loud=False), message(loud=False)):
        await apprise(url(server)).send(what)
    assert [one.json["type"] for one in server.requests] == ["failure", "success", "info"]


async def test_a_title_alone_is_the_message(server: FarEnd) -> None:
    await apprise(url(server)).send(message(title="🟢 db-01 is online", text="🟢 db-01 is online"))
    assert server.requests[0].json["message"] == "🟢 db-01 is online"


# -- one result for each address


async def test_only_the_addresses_that_failed_are_tried_again(server: FarEnd, other: FarEnd) -> None:
    other.script(Answer(503))
    speaker = apprise(url(server), url(other))
    outcome = await speaker.send(message())
    assert isinstance(outcome, Retry)
    assert outcome.scope is Scope.NOTIFICATION, "the others of the channel are not held up"
    assert outcome.reason.endswith("(1 of 2 addresses)")
    assert await speaker.send(message()) == Delivered()
    assert (len(server.requests), len(other.requests)) == (1, 2)
    assert await speaker.send(replace(message(), id="another")) == Delivered()
    assert (len(server.requests), len(other.requests)) == (2, 3)


async def test_what_fails_everywhere_is_trouble_of_the_channel(server: FarEnd) -> None:
    server.otherwise = Answer(500)
    outcome = await apprise(url(server)).send(message())
    assert isinstance(outcome, Retry)
    assert outcome.scope is Scope.CHANNEL
    assert outcome.reason.startswith("JSON: ")


# -- services that hang


async def test_a_service_that_hangs_holds_up_no_other(
    server: FarEnd, other: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 2.0)
    other.otherwise = Answer(hang=True)
    slow, quick = apprise(url(other)), apprise(url(server))
    both = apprise(url(server), url(other))
    for one in (slow, quick, both):
        await one.start()
    outcomes = await asyncio.gather(slow.send(message()), both.send(message()), quick.send(message()))
    assert outcomes[0] == Retry("JSON: no answer within 2 s")
    assert outcomes[1] == Retry("JSON: no answer within 2 s (1 of 2 addresses)", Scope.NOTIFICATION)
    assert outcomes[2] == Delivered()


async def test_a_service_that_raises_is_told_without_its_words(server: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = apprise(url(server))
    await speaker.start()
    for error, said in ((ValueError(PASSWORD), "JSON: ValueError"), (SystemExit(1), "JSON: SystemExit")):

        def broken(line: Any, what: Message, error: BaseException = error) -> str | None:
            raise error

        monkeypatch.setattr(apprise_line.Line, "notify", broken)
        assert await speaker.send(message()) == Retry(said)
    monkeypatch.undo()
    assert await speaker.send(message()) == Delivered()


async def test_so_many_threads_hang_and_no_more(server: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    server.otherwise = Answer(hang=True)
    before = threading.active_count()
    speaker = apprise(url(server))
    outcomes = [await speaker.send(message()) for _ in range(6)]
    assert outcomes[2] == Retry("JSON: no answer within 0.2 s")
    assert outcomes[3:] == [Retry("JSON: 3 calls have not come back")] * 3
    assert threading.active_count() - before <= 3 + 1, "and the server's loader"
    server.otherwise = Answer()
    monkeypatch.undo()
    await eventually(lambda: threading.active_count() <= before + 1)
    assert await speaker.send(message()) == Delivered(), "they have come back"


async def test_what_arrives_after_all_is_not_sent_again(server: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    server.script(Answer(delay=1.0))
    speaker = apprise(url(server))
    assert isinstance(await speaker.send(message()), Retry)
    await eventually(lambda: any(speaker._have.values()))
    assert await speaker.send(message()) == Delivered()
    assert len(server.requests) == 1


async def test_one_message_after_the_other_goes_to_an_address(server: FarEnd) -> None:
    server.otherwise = Answer(delay=0.05)
    speaker = apprise(url(server))
    many = [replace(message(), id=f"n-{number}") for number in range(6)]
    assert set(await asyncio.gather(*map(speaker.send, many))) == {Delivered()}
    assert len(server.requests) == 6


async def test_other_channels_of_a_monitor_go_on_while_one_hangs(server: FarEnd, other: FarEnd) -> None:
    other.otherwise = Answer(hang=True)
    told: list[str] = []
    channels = {"hangs": apprise(url(other)), "works": apprise(url(server)), "here": lambda it: told.append(it.title)}
    async with HeartbeatMonitor(offline_after="1s", notify=channels) as monitor:
        await monitor.heartbeat("db-01")
        await eventually(lambda: other.requests)
        await eventually(lambda: any("db-01 offline" in one.said for one in server.requests))
        await monitor.heartbeat("nas-02")
        await eventually(lambda: any("nas-02" in one for one in told))


# -- secrets


async def test_no_part_of_an_address_is_logged_or_told(server: FarEnd, caplog: pytest.LogCaptureFixture) -> None:
    server.echo(500)
    for name in ("apprise", "urllib3.connectionpool"):
        caplog.set_level(logging.DEBUG, name)
    with caplog.at_level(logging.DEBUG):
        outcomes = [await apprise(url(server)).send(message())]
        server.otherwise = Answer(reset=True)
        server._echo = None
        outcomes.append(await apprise(url(server)).send(message()))
    assert any(record.name == "apprise" for record in caplog.records)
    logged = "\n".join(caplog.handler.format(record) for record in caplog.records)
    for text in (USER, PASSWORD, PATH):
        assert text not in logged
        assert text not in repr(outcomes)


# -- settings


@pytest.mark.parametrize(
    "urls", ["", "  \n# json://localhost\n", "json:/x", "discord", "\n".join(f"json://{n}" for n in range(21))]
)
def test_what_is_no_address_is_refused(urls: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_config("apprise", {"urls": urls})
    assert caught.value.field == "urls"


async def test_an_address_that_apprise_does_not_know_is_named_by_its_number() -> None:
    speaker = apprise("json://localhost", f"nonsense://{PASSWORD}")
    with pytest.raises(InvalidInput, match="number 2 is no address that Apprise knows") as caught:
        await speaker.start()
    assert PASSWORD not in str(caught.value)


def test_addresses_stand_on_lines_or_between_spaces() -> None:
    assert addresses("json://a json://b\n# json://c\n\n json://a\tjson://d ") == ["json://a", "json://b", "json://d"]


def test_the_addresses_are_one_secret(server: FarEnd) -> None:
    config, secrets = split_secrets("apprise", {"urls": url(server)})
    assert (config, secrets) == ({}, {"urls": url(server)})
    assert PASSWORD not in repr(apprise(url(server)).config)


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(PluginError, match=r"pip install lastseen\[apprise\]"):
        apprise("json://localhost")


class TestAppriseBySuite(NotifierSuite):
    def make(self, server: FarEnd, tools: Any) -> Apprise:
        return apprise(url(server))

    async def test_what_it_answers_is_an_outcome(self, server: FarEnd) -> None:
        answer: Outcome = await apprise(url(server)).send(message())
        assert isinstance(answer, Delivered)
        assert isinstance(message(), Message)
