"""What people read of a machine that changes too often to be told of each time."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from lastseen.model import Event, Severity, Status, replace
from lastseen.notifiers.message import render
from tests.notifiers.builders import at, delivery, event, online, read


def flaps(type_: str, when: str, status: Status = Status.ONLINE, **changes: Any) -> Event:
    summary = {
        "changes": 14,
        "window_seconds": 1800,
        "since": "2025-10-10T02:10:00Z",
        "until": "2025-10-10T03:55:00Z",
        "offline_seconds": 540,
    }
    told = event(type_, at(when), "wifi-ap2", status=status, **{"flaps": summary, **changes})
    alert = type_ == "machine.flapping" or status is not Status.ONLINE
    return replace(told, severity=Severity.ALERT if alert else Severity.INFO)


def test_a_machine_that_flaps_and_what_it_is_now() -> None:
    told = flaps("machine.flapping", "02:40:00", Status.OFFLINE)
    message = render([delivery(told)], at("02:40:20"), tz=UTC)
    assert message.text.splitlines() == [
        "🟠 wifi-ap2 flapping: 14 changes in 30 min",
        "I stay quiet until it holds still for 30 min. Now: offline.",
    ]
    assert message.loud
    late = read(delivery(told), now=at("08:00:00"))
    assert "At 02:40: offline." in late[1] + late[2]


def test_a_machine_that_holds_still_again() -> None:
    message = render([delivery(flaps("machine.steady", "04:25:00"))], at("04:25:20"), tz=UTC)
    assert message.text.splitlines() == [
        "🟢 wifi-ap2 steady: online for 30 min",
        "14 changes, 9 min offline in total, 02:10–03:55.",
    ]
    assert not message.loud


def test_one_that_holds_still_offline_is_an_alert() -> None:
    told = flaps("machine.steady", "04:25:00", Status.OFFLINE, since="2025-10-10T03:41:00Z")
    message = render([delivery(told)], at("04:25:20"), tz=UTC)
    assert message.title == "🔴 wifi-ap2 offline since 03:41, after 14 changes"
    assert message.loud


def test_flapping_and_its_end_in_one_batch_are_one_thing_to_tell() -> None:
    began, ended = flaps("machine.flapping", "02:40:00"), flaps("machine.steady", "04:25:00")
    lines = read(delivery(began), delivery(ended), now=at("08:00:00"))
    assert lines[0] == "🟢 wifi-ap2 flapped 02:10–03:55"
    gone = flaps("machine.steady", "04:25:00", Status.OFFLINE, since="2025-10-10T03:41:00Z")
    lines = read(delivery(began), delivery(gone), now=at("04:25:20"))
    assert lines[0] == "🔴 wifi-ap2 offline since 03:41, after 14 changes"
    back = online("wifi-ap2", since="03:41", until="04:26")
    lines = read(delivery(began), delivery(gone), delivery(back), now=at("04:27:00"))
    assert len([line for line in lines if "wifi-ap2" in line]) == 1
    assert "🔴" not in "".join(lines)
