"""The Telegram notifier against the stand-in of the Bot API, over real HTTP."""

from __future__ import annotations

import inspect
import json
import logging
import sys
import warnings
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import telegram.error
from pydantic import SecretStr

from lastseen.clock import SystemClock
from lastseen.errors import ConfigurationError, InvalidInput, PluginError
from lastseen.model import Action, Delivered, Message, Rejected, Retry, Scope
from lastseen.notifiers import telegram_bot
from lastseen.notifiers.message import render
from lastseen.notifiers.telegram import Telegram
from lastseen.notifiers.telegram_bot import FloodWait, meaning, redact
from lastseen.notifiers.telegram_limits import Limits, limits_of
from lastseen.plugins import check_config
from lastseen.testing import FakeClock, NotifierSuite
from lastseen.testing.far_end import Answer, FarEnd
from tests.notifiers.builders import at, delivery, message, offline
from tests.standins.telegram import TOKEN, BotApi


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with BotApi(chats=(1, -5)).serving() as api:
        yield api


class Unhurried(SystemClock):
    """Waiting takes no time: for everything but the limits themselves."""

    async def sleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()


def notifier(api: BotApi, chat: int = 1, **changes: Any) -> Telegram:
    given = {"token": SecretStr(TOKEN), "chat_id": chat, "api_url": api.url, **changes}
    return Telegram(Telegram.Config(**given))


async def say(speaker: Telegram, what: Message) -> Any:
    try:
        return await speaker.send(what)
    finally:
        await speaker.close()


async def test_a_message_arrives_as_html_and_with_a_sound(api: BotApi) -> None:
    what = render([delivery(offline("a<b> & c"))], at("03:02:13"))
    outcome = await say(notifier(api), what)
    sent = api.messages[0]
    assert outcome == Delivered(receipt=str(sent.message_id))
    assert (sent.text, sent.raw, sent.parse_mode, sent.silent) == (what.text, what.html, "HTML", False)


async def test_what_is_not_loud_makes_no_sound(api: BotApi) -> None:
    await say(notifier(api), message(loud=False))
    await say(notifier(api, silent=True), message())
    assert [sent.silent for sent in api.messages] == [True, True]


async def test_a_recovery_answers_the_alert(api: BotApi) -> None:
    alert = await say(notifier(api), message())
    await say(notifier(api), message(reply_to=alert.receipt))
    assert api.messages[1].reply_to == api.messages[0].message_id


async def test_an_alert_that_is_gone_is_not_answered_but_the_message_comes(api: BotApi) -> None:
    assert isinstance(await say(notifier(api), message(reply_to="4711")), Delivered)
    assert isinstance(await say(notifier(api), message(reply_to="not a number")), Delivered)
    assert [sent.reply_to for sent in api.messages] == [None, None]


async def test_what_cannot_be_parsed_is_sent_in_plain_text_at_once(api: BotApi) -> None:
    outcome = await say(notifier(api), message(html="<b>db-01", text="db-01 <is> offline"))
    assert isinstance(outcome, Delivered)
    assert [(sent.text, sent.parse_mode) for sent in api.messages] == [("db-01 <is> offline", None)]


async def test_a_topic_is_named(api: BotApi) -> None:
    await say(notifier(api, chat=-5, thread_id=77), message())
    assert api.messages[0].thread_id == 77


async def test_a_chat_that_moved_is_followed_and_the_new_id_handed_back(api: BotApi) -> None:
    api.state(-5, "migrated", -100123)
    speaker = notifier(api, chat=-5)
    outcome = await speaker.send(message(reply_to="9"))
    assert outcome == Delivered(receipt=str(api.messages[0].message_id), moved={"chat_id": -100123})
    assert api.messages[0].chat_id == -100123
    again = await say(speaker, message())
    assert again.moved == {"chat_id": -100123}, "until it is stored"


@pytest.mark.parametrize("state", ["blocked", "kicked", "deactivated"])
async def test_a_chat_that_forbids_it_is_gone(api: BotApi, state: str) -> None:
    api.state(1, state)
    outcome = await say(notifier(api), message())
    assert isinstance(outcome, Rejected)
    assert outcome.scope is Scope.CHANNEL
    assert outcome.reason.startswith("403, ")


async def test_a_chat_that_does_not_exist_is_gone(api: BotApi) -> None:
    assert await say(notifier(api, chat=999), message()) == Rejected("400, chat not found", Scope.CHANNEL)


async def test_a_message_that_is_too_long_harms_itself_only(api: BotApi) -> None:
    outcome = await say(notifier(api), message(html="x" * 5000))
    assert outcome == Rejected("400, message is too long", Scope.NOTIFICATION)


@pytest.mark.parametrize("token", ["123456789:AAF-another_token_that_is_not_right", "1:x"])
async def test_a_wrong_token_is_trouble_of_the_chats_that_have_it(api: BotApi, token: str) -> None:
    outcome = await say(notifier(api, token=SecretStr(token)), message())
    assert outcome == Retry("401, the bot token is wrong", Scope.CHANNEL)


async def test_too_many_messages_wait_as_long_as_telegram_says(api: BotApi) -> None:
    api.trouble.append(
        Answer.of_json(
            {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 17}}, 429
        )
    )
    outcome = await say(notifier(api), message())
    assert outcome == Retry("429, too many messages: wait 17 s", Scope.CHANNEL, timedelta(seconds=17))


@pytest.mark.parametrize("how", [{"status": 500}, {"status": 502}, {"reset": True}])
async def test_trouble_on_the_way_is_tried_again(api: BotApi, how: dict[str, Any]) -> None:
    api.fail(1, **how)
    outcome = await say(notifier(api), message())
    assert isinstance(outcome, Retry)
    assert outcome.scope is Scope.CHANNEL
    assert "Telegram" in outcome.reason


async def test_no_answer_is_perhaps_delivered_and_tried_again(api: BotApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram_bot, "READ_TIMEOUT", 0.1)
    api.fail(1, hang=True)
    assert await say(notifier(api), message()) == Retry("no answer in time: perhaps it was delivered")


async def test_a_server_that_is_not_there_is_told_without_the_token() -> None:
    nowhere = Telegram(Telegram.Config(token=SecretStr(TOKEN), chat_id=1, api_url="http://127.0.0.1:9"))
    outcome = await say(nowhere, message())
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("cannot reach Telegram: ")
    assert TOKEN not in repr(outcome)


# -- changing what was said


async def edit(speaker: Telegram, receipt: str, what: Message) -> Any:
    try:
        return await speaker.edit(receipt, what)
    finally:
        await speaker.close()


@pytest.fixture
async def alert(api: BotApi) -> str:
    outcome = await say(notifier(api), message(actions=(Action("ack", "Ack", "machine:1"),)))
    assert api.messages[0].buttons == (("Ack", "ack machine:1"),)
    return str(outcome.receipt)


async def test_what_was_said_is_changed_in_its_place_buttons_and_all(api: BotApi, alert: str) -> None:
    other = message(html="<b>berlin</b>: 37 of 40", text="berlin: 37 of 40", actions=(Action("mute", "M", "group:b"),))
    assert await edit(notifier(api), alert, other) == Delivered(receipt=alert)
    assert await edit(notifier(api), alert, other) == Delivered(receipt=alert), "it says that already"
    (now,) = api.messages
    assert (now.text, now.buttons) == ("berlin: 37 of 40", (("M", "mute group:b"),))
    assert "not modified" in api.refused[-1]


async def test_a_change_that_cannot_be_parsed_is_made_in_plain_text(api: BotApi, alert: str) -> None:
    assert await edit(notifier(api), alert, message(html="<b>a", text="a <b> c")) == Delivered(receipt=alert)
    assert api.messages[0].text == "a <b> c"


@pytest.mark.parametrize("how", ["deleted", "old", "no number", "moved"])
async def test_what_cannot_be_changed_may_be_sent_instead(api: BotApi, alert: str, how: str) -> None:
    if how == "deleted":
        api.delete(int(alert))
    elif how == "old":
        api.age(int(alert), 49)
    elif how == "moved":
        api.state(1, "migrated", -100)
    receipt = "nonsense" if how == "no number" else alert
    assert await edit(notifier(api), receipt, message()) == Rejected("cannot be edited", Scope.NOTIFICATION)


async def test_a_change_in_a_chat_that_forbids_it_is_told_as_of_a_message(api: BotApi, alert: str) -> None:
    api.state(1, "blocked")
    outcome = await edit(notifier(api), alert, message())
    assert isinstance(outcome, Rejected)
    assert outcome.scope is Scope.CHANNEL
    api.fail(1)
    assert isinstance(await edit(notifier(api), alert, message()), Retry)


async def test_changes_count_in_the_chats_limit(api: BotApi, alert: str) -> None:
    speaker = notifier(api)
    speaker._clock = Unhurried()
    api.limits = False
    outcomes = [await speaker.edit(alert, message(html=f"<b>{n}</b>")) for n in range(8)]
    await speaker.close()
    assert [type(outcome) for outcome in outcomes[:5]] == [Delivered] * 5
    assert (type(outcomes[-1]), outcomes[-1].scope) == (Retry, Scope.NOTIFICATION)


# -- limits


def test_who_goes_by_another_time_has_limits_of_his_own() -> None:
    """A virtual clock that is years ahead must not hold up the bot of the same address for years."""
    real, clock = limits_of("http://x/1", SystemClock()), FakeClock()
    virtual = limits_of("http://x/1", clock)
    assert limits_of("http://x/1", SystemClock()) is real
    assert limits_of("http://x/1", clock) is virtual
    assert len({id(real), id(virtual), id(limits_of("http://x/1", FakeClock()))}) == 3


def test_one_message_a_second_in_a_chat() -> None:
    limits = Limits()
    assert [limits.in_chat(1, 100.0, patience=5) for _ in range(4)] == [0, 1, 2, 3]
    assert limits.in_chat(2, 100.0, patience=5) == 0
    assert limits.in_chat(1, 110.0, patience=5) == 0


def test_a_turn_that_is_too_far_away_is_not_taken() -> None:
    limits = Limits()
    assert [limits.in_chat(1, 100.0, patience=1) for _ in range(4)] == [0, 1, None, None]
    assert limits.in_chat(1, 102.0, patience=1) == 0


def test_twenty_a_minute_in_a_group() -> None:
    limits = Limits()
    assert [limits.in_chat(-1, 100.0 + n, patience=1) for n in range(20)] == [0] * 20
    assert limits.in_chat(-1, 120.0, patience=1) is None
    assert limits.in_chat(-1, 160.0, patience=1) == 0


def test_thirty_a_second_in_all() -> None:
    limits = Limits()
    assert [limits.of_all(100.0) for _ in range(31)] == [0.0] * 30 + [1.0]
    assert limits.busy(100.5)
    assert not limits.busy(103.0)


async def test_a_burst_in_one_chat_waits_instead_of_being_refused(api: BotApi) -> None:
    speaker = notifier(api)
    speaker._clock = clock = Unhurried()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    clock.sleep = sleep  # type: ignore[method-assign]
    api.limits = False
    outcomes = [await speaker.send(message()) for _ in range(8)]
    await speaker.close()
    assert [type(outcome) for outcome in outcomes[:6]] == [Delivered] * 6
    refused = outcomes[7]
    assert (refused.reason, refused.scope) == ("waits for Telegram's limit of messages in one chat", Scope.NOTIFICATION)
    assert timedelta(seconds=5) < refused.after <= timedelta(seconds=7)
    assert 0.5 < pauses[0] <= 1 < pauses[1] <= 2


async def test_notifiers_of_one_bot_share_its_lane_and_its_limits(api: BotApi) -> None:
    one, other = notifier(api), notifier(api, chat=-5)
    assert one.lane == other.lane == "telegram:123456789"
    assert one._limits is other._limits


# -- every exception of the library has a meaning


def _exceptions() -> list[type[Exception]]:
    found = [value for value in vars(telegram.error).values() if inspect.isclass(value)]
    return [kind for kind in found if issubclass(kind, telegram.error.TelegramError)]


def test_every_exception_of_the_library_is_mapped() -> None:
    assert set(_exceptions()) <= {kind for kind, _ in telegram_bot.MEANING}


def test_a_kind_is_looked_up_before_what_it_is_a_kind_of() -> None:
    kinds = [kind for kind, _ in telegram_bot.MEANING]
    for place, kind in enumerate(kinds):
        assert not [earlier for earlier in kinds[:place] if issubclass(kind, earlier)], kind


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (telegram.error.BadRequest("Message text is empty"), Rejected("400, message text is empty")),
        (telegram.error.BadRequest("Chat not found"), Rejected("400, chat not found", Scope.CHANNEL)),
        (telegram.error.TimedOut(), Retry("no answer in time: perhaps it was delivered")),
        (telegram.error.NetworkError("Bad Gateway"), Retry("cannot reach Telegram: bad Gateway")),
        (telegram.error.InvalidToken(), Retry("401, the bot token is wrong", Scope.CHANNEL)),
        (telegram.error.Conflict("x"), Retry("409, another program polls this bot")),
        (telegram.error.TelegramError(f"odd {TOKEN}"), Retry("odd [token]")),
        (FloodWait(3), Retry("429, too many messages: wait 3 s", Scope.CHANNEL, timedelta(seconds=3))),
    ],
)
def test_what_an_exception_means(error: Any, outcome: Any) -> None:
    assert meaning(error) == outcome


def test_the_librarys_own_flood_error_is_read_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = telegram.error.RetryAfter(5)
    assert meaning(error, busy=True) == Retry("429, too many messages: wait 5 s", Scope.LANE, timedelta(seconds=5))


# -- config


def test_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    one = Telegram.from_env(1, environ={"TELEGRAM_BOT_TOKEN": TOKEN, "LASTSEEN_TELEGRAM_API_URL": "http://a.example"})
    other = Telegram.from_env(1, thread_id=5, environ={"TELEGRAM_BOT_TOKEN_FILE": str(tmp_path / "token")})
    assert one.config.api_url == "http://a.example"
    assert other.config.token.get_secret_value() == TOKEN
    with pytest.raises(ConfigurationError, match="set TELEGRAM_BOT_TOKEN"):
        Telegram.from_env(1, environ={})


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"token": "secret-nonsense"}, "token"), ({"chat_id": "x"}, "chat_id"), ({"chat": 1}, "chat")],
)
def test_a_wrong_value_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_config("telegram", {"token": TOKEN, "chat_id": 1, **changes})
    assert caught.value.field == field
    assert "secret-nonsense" not in str(caught.value)


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "telegram"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "lastseen.notifiers.telegram_bot")
    monkeypatch.delattr("lastseen.notifiers.telegram_bot")
    monkeypatch.setitem(sys.modules, "telegram", None)
    with pytest.raises(PluginError, match=r"pip install lastseen\[telegram\]"):
        Telegram(Telegram.Config(token=SecretStr(TOKEN), chat_id=1))


async def test_the_token_is_in_no_log_line_at_any_level(api: BotApi, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    with caplog.at_level(logging.DEBUG):
        await say(notifier(api), message())
        await say(notifier(api, chat=999), message())
    lines = "\n".join(record.getMessage() for record in caplog.records)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    assert "sendMessage" in lines
    assert TOKEN not in lines


def test_a_token_is_found_wherever_it_stands() -> None:
    assert redact(f"POST https://x/bot{TOKEN}/sendMessage") == "POST https://x/bot[token]/sendMessage"


class TestTelegramSuite(NotifierSuite):
    def make(self, server: FarEnd, tools: Any) -> Telegram:
        return Telegram(Telegram.Config(token=SecretStr(TOKEN), chat_id=1, api_url=server.url), _Patient(tools))

    def ok(self) -> Answer:
        result = {"message_id": 5, "date": 1, "chat": {"id": 1, "type": "private"}, "text": "x"}
        return Answer.of_json({"ok": True, "result": result})

    def failure(self, status: int, headers: dict[str, str] | None = None) -> Answer:
        body: dict[str, Any] = {"ok": False, "error_code": status, "description": "no"}
        if status == 429:
            body["parameters"] = {"retry_after": 7}
        return Answer(status, json.dumps(body).encode(), headers or {})


class _Patient:
    """The suite's tools, with a clock that does not wait for Telegram's limits."""

    def __init__(self, tools: Any) -> None:
        self.http, self.clock, self.servers = tools.http, Unhurried(), tools.servers
