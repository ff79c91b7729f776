"""What people read of lastseen's own troubles."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from lastseen.model import Event, EventType
from lastseen.model.system import plainly, store_lost, store_restored, system_event
from lastseen.notifiers.message import render
from lastseen.notifiers.webhook import payload
from lastseen.notifiers.wording import TITLE
from tests.notifiers.builders import at, delivery

DISK = {"folder": "/var/lib/lastseen", "free": 1_900_000_000, "total": 64_000_000_000}
MACHINE = {"id": 7, "name": "nas-02", "hostname": "nas", "description": "", "status": "provisioning", "last_seen": None}


def told(of: Event) -> Any:
    return render([delivery(of, outage=None)], of.at, tz=UTC)


def own(type_: EventType, ends: bool = False, **more: Any) -> Event:
    return system_event(type_, f"u-{type_}", at("03:14"), at("03:12"), ends=ends, **more)


LOST = store_lost(at("03:12"), at("03:13"), "disk full")
BACK = store_restored(at("03:12"), at("03:24"), at("03:25"), "disk full", held=60, heard=60, waiting=[])
TEXTS: dict[str, tuple[Event, bool, list[str]]] = {
    "lost": (LOST, True, [
        "⚠️ I cannot write since 03:12: disk full",
        "Heartbeats are refused and nobody is judged until there is space.",
    ]),
    "lost, another reason": (store_lost(at("03:12"), at("03:13"), "disk error"), True, [
        "⚠️ I cannot write since 03:12: disk error",
        "Heartbeats are refused and nobody is judged until it can be written.",
    ]),
    "back": (BACK, False, [
        "🟢 I can write again after 12 min",
        "03:12–03:24: disk full.",
        "60 of 60 heard again.",
        "No outage is counted.",
    ]),
    "disk low": (own(EventType.DISK_LOW, disk=DISK), True, [
        "⚠️ Disk almost full: 1.9 GB left",
        "1.9 GB of 64.0 GB free in /var/lib/lastseen, since 03:12.",
        "When it is full, heartbeats are refused and nobody is judged.",
    ]),
    "disk ok": (own(EventType.DISK_OK, ends=True, disk=DISK), False, [
        "🟢 Disk has room again: 1.9 GB free", "It was almost full 03:12–03:14.",
    ]),
    "never reported": (own(EventType.NEVER_REPORTED, machine=MACHINE, tags=["berlin"]), False, [
        "⚪ nas-02 never reported",
        "Declared 03:12, 2 min ago; it cannot be missed.",
        "Does it run there, with its own key?",
        "nas · berlin",
    ]),
    "no channel": (own(EventType.NO_CHANNEL), True, [
        "⚠️ Nobody can be told since 03:12", "There are machines, and no channel that is switched on.",
    ]),
    "a channel again": (own(EventType.CHANNEL_BACK, ends=True), False, [
        "🟢 Somebody can be told again", "Nobody could be told 03:12–03:14.",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("occasion", TEXTS)
def test_each_has_its_words_its_sound_and_a_first_line_that_a_lock_screen_shows(occasion: str) -> None:
    event, loud, lines = TEXTS[occasion]
    message = told(event)
    assert message.text.splitlines() == lines
    assert message.loud == loud
    assert len(message.title) <= TITLE
    assert message.title == lines[0], "the subject of an e-mail"
    assert "<b>" in message.html


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("the database cannot be used now: database or disk is full", "disk full"),
        ("the database cannot be used now: No space left on device", "disk full"),
        ("the database cannot be used now: database is locked", "locked"),
        ("the database cannot be used now: unable to open database file", "file gone"),
        ("the database cannot be used now: attempt to write a readonly database", "read-only"),
        ("the database cannot be used now: disk I/O error", "disk error"),
        ("the database or this program's use of it is broken: database disk image is malformed", "damaged"),
        ("", "no answer"),
    ],
)
def test_what_keeps_it_from_being_written_fits_a_lock_screen(said: str, words: str) -> None:
    assert plainly(said) == words
    assert len(told(store_lost(at("03:12"), at("03:13"), plainly(said))).title) <= TITLE


@pytest.mark.parametrize("occasion", TEXTS)
def test_a_webhook_carries_the_type_and_the_reason_and_a_machine_where_it_is_about_one(occasion: str) -> None:
    event = TEXTS[occasion][0]
    body = payload(event)
    assert body["type"] == body["event"] == event.type
    assert (body["machine"] is None) == (event.type != EventType.NEVER_REPORTED)
    assert body["data"]["since"] == "2025-10-10T03:12:00Z"
    assert body["data"].get("disk") == (
        {"free": 1_900_000_000, "total": 64_000_000_000} if "disk" in occasion else None
    )
    assert body["data"].get("message", "") == event.reason


def test_a_disk_that_fills_and_is_emptied_in_one_message_is_two_lines() -> None:
    low, ok = own(EventType.DISK_LOW, disk=DISK), own(EventType.DISK_OK, ends=True, disk=DISK)
    both = render([delivery(low, outage=None), delivery(ok, outage=None)], at("03:15"), tz=UTC)
    assert both.title == "⚠️ 1 almost full, 1 has room again"
