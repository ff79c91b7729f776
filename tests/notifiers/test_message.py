"""What people read, by the table of texts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastseen.model import Event, Message, Severity, Status, replace
from lastseen.notifiers.message import render, wordless
from tests.notifiers.builders import at, delivery, event, offline, online, read, text


def test_a_machine_that_fell_silent() -> None:
    told = offline(hostname="prod-01", description="Main API server", tags=["berlin"])
    message = render([delivery(told)], at("03:02:13"), tz=UTC)
    assert message.text.splitlines() == [
        "🔴 db-01 offline since 03:00",
        "Last heartbeat 03:00:12, limit 2 min.",
        "prod-01 · Main API server · berlin",
    ]
    assert message.html.startswith("🔴 <b>db-01</b> offline since 03:00\n")
    assert message.title == "🔴 db-01 offline since 03:00"
    assert message.loud
    assert message.id == f"n-{told.uid}"


def test_what_is_not_set_has_no_line() -> None:
    assert read(delivery(offline()), now=at("03:02:13")) == [
        "🔴 db-01 offline since 03:00",
        "Last heartbeat 03:00:12, limit 2 min.",
    ]


def test_a_last_will() -> None:
    told = offline("plug-7", since="03:00", noticed="03:00:10", reason="goodbye")
    assert read(delivery(told), now=at("03:00:10")) == [
        "🔴 plug-7 offline since 03:00 (said goodbye)",
        "It said that it stops.",
    ]


def test_a_last_will_that_its_broker_told() -> None:
    told = offline("plug-7", since="03:00", noticed="03:00:10", reason="goodbye", by="broker")
    assert read(delivery(told), now=at("03:00:10"))[1] == "Its broker reported it gone."


def test_a_recovery_answers_the_alert_silently() -> None:
    message = render([delivery(online(), reply_to="99")], at("03:40:01"), tz=UTC)
    assert message.text.splitlines() == ["🟢 db-01 back after 39 min", "Offline 03:00–03:40."]
    assert (message.loud, message.reply_to) == (False, "99")


def test_a_short_outage_is_told_in_seconds() -> None:
    assert read(delivery(online(since="03:00:12", until="03:00:15")), now=at("03:00:15")) == [
        "🟢 db-01 back after 3 s",
        "Offline 03:00:12–03:00:15.",
    ]


def test_told_late_and_already_back_when_both_wait() -> None:
    both = delivery(offline(), ended=at("03:40")), delivery(online())
    assert read(*both, now=at("03:41"), failing_since=at("03:02:12")) == [
        "🟢 db-01 was offline 03:00–03:40 (39 min)",
        "Told late: Telegram could not be reached 03:02–03:41.",
    ]


def test_told_late_and_already_back_when_only_the_alert_goes() -> None:
    lines = read(delivery(offline(), ended=at("03:40")), now=at("03:41"), label="Webhook", failing_since=at("03:02:12"))
    assert lines == [
        "🟢 db-01 was offline 03:00–03:40 (39 min)",
        "Told late: Webhook could not be reached 03:02–03:41.",
    ]


def test_told_late_and_still_offline() -> None:
    assert read(delivery(offline()), now=at("09:00:12")) == [
        "🔴 db-01 offline since 03:00 (6 h)",
        "Told late: it waited since 03:02.",
    ]


def test_a_minute_after_the_event_it_is_late_and_not_before() -> None:
    assert "Told late" not in "\n".join(read(delivery(offline()), now=at("03:03:11")))
    assert "Told late" in "\n".join(read(delivery(offline()), now=at("03:03:12")))


def test_an_error_and_its_end() -> None:
    fault = event(
        "machine.error",
        at("03:12"),
        "pump-3",
        message="tank level sensor stuck",
        since=text(at("03:12")),
        status="error",
    )
    assert read(delivery(fault), now=at("03:12:01")) == [
        "🟠 pump-3: tank level sensor stuck",
        "It still sends heartbeats. Since 03:12.",
    ]
    end = event("machine.online", at("03:26"), "pump-3", since=text(at("03:12")), previous_status=Status.ERROR)
    assert read(delivery(end), now=at("03:26:01")) == ["🟢 pump-3 OK again after 14 min"]


def test_a_long_error_is_whole_below_the_first_line() -> None:
    words = "the tank level sensor is stuck at 12 % and the valve does not answer\nneither does the pump"
    lines = read(delivery(event("machine.error", at("03:12"), "pump-3", message=words)), now=at("03:12:01"))
    assert len(lines[0]) <= 42
    assert lines[2] == "the tank level sensor is stuck at 12 % and the valve does not answer neither does the pump"


def test_a_channel_that_fails_is_told_elsewhere() -> None:
    told = event(
        "channel.failing",
        at("03:00"),
        machine=None,
        channel={"id": 3, "name": "ops", "type": "telegram"},
        message="401, the bot token is wrong",
        since=text(at("02:40")),
        waiting=3,
    )
    told.snapshot["machine"] = None  # type: ignore[index]
    assert read(delivery(told), now=at("03:00")) == [
        '⚠️ Channel "ops" fails since 02:40',
        "Telegram: 401, the bot token is wrong. 3 alerts wait for it.",
    ]


def test_a_channel_that_was_disabled_says_what_became_of_its_alerts() -> None:
    channel = {"id": 3, "name": "ops", "type": "webhook"}
    told = event(
        "channel.failing", at("03:00"), channel=channel, message="410 from a.example", disabled=True, waiting=1
    )
    assert read(delivery(told), now=at("03:00"))[1] == (
        "Webhook: 410 from a.example. It is disabled, and 1 alert for it will not be sent."
    )


def test_a_test_message() -> None:
    told = event("channel.test", at("03:00"), channel={"id": 3, "name": "ops", "type": "telegram"}, machines=100)
    assert read(delivery(told), now=at("03:00")) == [
        "✅ Test: this chat works",
        'Channel "ops" hears offline, online and error of all 100 machines.',
    ]


@pytest.mark.parametrize(
    ("type_", "place"),
    [("telegram", "chat"), ("email", "channel"), ("ntfy", "channel"), ("webhook", "channel"), ("no such", "channel")],
)
def test_a_test_message_calls_a_chat_what_is_one(type_: str, place: str) -> None:
    told = event("channel.test", at("03:00"), channel={"id": 3, "name": "ops", "type": type_})
    assert read(delivery(told), now=at("03:00"))[0] == f"✅ Test: this {place} works"


@pytest.mark.parametrize(
    ("type_", "label"),
    [("email", "E-mail"), ("ntfy", "ntfy"), ("telegram", "Telegram"), ("apprise", "Apprise"), ("pigeon", "Pigeon")],
)
def test_a_channel_that_fails_is_called_what_its_notifier_calls_it(type_: str, label: str) -> None:
    told = event("channel.failing", at("03:00"), channel={"id": 3, "name": "ops", "type": type_}, message="no route")
    assert read(delivery(told), now=at("03:00"))[1] == f"{label}: no route."


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        ("machine.paused", "⚪ db-01 is paused"),
        ("machine.resumed", "⚪ db-01 is watched again"),
        ("machine.removed", "⚪ db-01 was removed"),
        ("machine.registered", "⚪ db-01 was added"),
    ],
)
def test_other_facts_have_sober_words(type_: str, words: str) -> None:
    assert read(delivery(event(type_, at("03:00"))), now=at("03:00")) == [words]


def test_an_event_nobody_here_knows_is_still_told() -> None:
    told = Event("u", "system.disk_full", Severity.ALERT, at("03:00"), "95 % used", {"machine": None})
    assert read(delivery(told, outage=None), now=at("03:00")) == ["⚠️ disk full at 03:00", "95 % used"]


def test_times_are_local_with_the_day_when_it_is_not_today() -> None:
    vienna = ZoneInfo("Europe/Vienna")  # two hours ahead in October
    assert read(delivery(offline()), now=at("03:02:13"), tz=vienna)[0] == "🔴 db-01 offline since 05:00"
    assert read(delivery(offline()), now=at("03:02:13", day=11))[0] == "🔴 db-01 offline since Fri 03:00 (1 d)"
    assert read(delivery(offline()), now=at("03:02", day=17))[0].startswith("🔴 db-01 offline since 2025-10-10 03:00")
    night = online(since="23:00", until="23:30")
    assert (
        read(delivery(night), now=at("00:10", day=11))[1:]
        == [
            "Told late: it waited since Fri 23:30.",
            "Offline Fri 23:00–23:30.",
        ]
        or read(delivery(night), now=at("00:10", day=11))[1] == "Offline Fri 23:00–23:30."
    )


def test_a_batch_names_who_is_offline() -> None:
    told = [delivery(offline(name, number)) for number, name in enumerate(["db-01", "nas", "cam-07"], 1)]
    assert read(*told, now=at("03:02:13")) == [
        "🔴 3 offline: db-01, nas, cam-07",
        "🔴 db-01 offline since 03:00",
        "🔴 nas offline since 03:00",
        "🔴 cam-07 offline since 03:00",
    ]


def test_a_mixed_batch_counts() -> None:
    told = [delivery(online("x", 9)), *[delivery(offline(f"m{n}", n)) for n in (1, 2)]]
    lines = read(*told, now=at("03:40:01"))
    assert lines[0] == "🔴 2 offline, 1 back"
    assert lines[1].startswith("🔴 m1 offline")
    assert lines[3] == "🟢 x back after 39 min"


def test_a_large_batch_says_how_many_are_not_named() -> None:
    lines = read(*[delivery(offline(f"machine-{n}", n)) for n in range(1, 62)], now=at("03:02:13"))
    assert lines[0] == "🔴 61 offline: machine-1, machine-2 +59"
    assert len(lines) == 32
    assert lines[-1] == "and 31 more"


def test_a_second_outage_in_one_batch_is_told_as_such() -> None:
    first = delivery(offline(), ended=at("03:40")), delivery(online())
    again = delivery(offline(since="03:50", noticed="03:52"))
    lines = read(*first, again, now=at("03:52:01"))
    assert lines[0] == "🔴 1 offline, 1 back"
    assert lines[1] == "🔴 db-01 offline since 03:50"
    assert lines[2] == "🟢 db-01 was offline 03:00–03:40 (39 min)"


def test_a_long_name_is_cut_only_as_far_as_needed() -> None:
    message = render([delivery(offline("the-machine-in-the-cellar-behind-the-door"))], at("03:02:13"), tz=UTC)
    assert len(message.title) == 42
    assert message.title.endswith("… offline since 03:00")


# -- whatever people call their machines

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=300)
moments = st.integers(946_684_800, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TYPES = [
    "machine.offline",
    "machine.online",
    "machine.error",
    "machine.paused",
    "channel.failing",
    "channel.test",
    "system.x",
]


@st.composite
def deliveries(draw: st.DrawFn) -> Any:
    when = draw(moments)
    name = draw(words)
    told = event(
        draw(st.sampled_from(TYPES)),
        when,
        name,
        draw(st.integers(1, 3)),
        hostname=draw(words),
        description=draw(words),
        tags=draw(st.lists(words, max_size=3)),
        message=draw(words),
        since=draw(st.none() | words | moments.map(text)),
        outage=draw(st.none() | st.builds(lambda a, b: {"started_at": text(a), "ended_at": text(b)}, moments, moments)),
        channel=draw(st.none() | st.builds(lambda n: {"id": 1, "name": n, "type": "x"}, words)),
    )
    return delivery(told, outage=None)


class Balanced(HTMLParser):
    """Only <b>, closed where it was opened; keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.said = 0, ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert (tag, attrs) == ("b", [])
        self.depth += 1
        assert self.depth == 1

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1
        assert self.depth == 0

    def handle_data(self, data: str) -> None:
        self.said += data


def check(message: Message) -> None:
    assert message.title
    assert message.title == message.text.split("\n")[0]
    assert len(message.text.encode("utf-16-le")) // 2 <= 4096
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", message.text)
    parser = Balanced()
    parser.feed(message.html)
    parser.close()
    assert parser.depth == 0
    assert parser.said == message.text


@settings(max_examples=150, deadline=None)
@given(st.lists(deliveries(), min_size=1, max_size=4), moments, st.none() | moments)
def test_no_name_breaks_a_message(told: list[Any], now: datetime, failing_since: datetime | None) -> None:
    check(render(told, now, tz=UTC, failing_since=failing_since))


@settings(max_examples=60, deadline=None)
@given(words)
def test_the_first_line_of_an_alert_fits_the_lock_screen_whatever_the_name(name: str) -> None:
    now = at("03:02:12")
    assert len(render([delivery(offline(name))], now, tz=UTC).title) <= 42
    assert len(render([delivery(offline(name, n)) for n in (1, 2)], now, tz=UTC).title) <= 42
    assert len(render([delivery(online(name))], now + timedelta(hours=1), tz=UTC).title) <= 42


def test_a_batch_of_huge_texts_fits_telegram() -> None:
    told = [delivery(offline("🦊" * 4000, n, description="ж" * 9000)) for n in range(1, 31)]
    check(render(told, at("03:02:13"), tz=UTC))


def test_events_of_the_first_source_are_still_merged_with_their_ends() -> None:
    """Its id is 0."""
    begun = replace(event("source.blind", at("03:00:00")), machine_id=None, machine=None, source=0)
    over = replace(event("source.restored", at("03:20:00")), machine_id=None, machine=None, source=0)
    together, alone = (
        read(delivery(begun), delivery(over), now=at("03:21:00")),
        read(delivery(begun), now=at("03:21:00")),
    )
    assert (together[0][0], alone[0][0]) == ("🟢", "🟡")


def test_without_words_it_is_the_same_message() -> None:
    told = [delivery(online(), reply_to="99")]
    said, wordy = wordless(told), render(told, at("03:40:01"), tz=UTC)
    assert (said.events, said.id, said.reply_to) == (wordy.events, wordy.id, wordy.reply_to)
    assert (said.title, said.text, said.html) == ("", "", "")
