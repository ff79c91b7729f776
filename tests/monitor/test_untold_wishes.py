"""What is wished for by name is told, or the wish is refused with what it wants: no channel is silent for good without
a word."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from lastseen.errors import InvalidInput
from lastseen.manage.channels import merged
from lastseen.model import Channel, Event, Preferences, Severity, preferences_from
from lastseen.monitor.audience import unwanted
from lastseen.notifiers.quiet import TOLD, checked_wishes
from lastseen.testing import RecordingNotifier
from tests.monitor.cases import scene
from tests.monitor.people import prefer

ENDED = {
    "machine.online": {"machine.offline", "machine.error"},
    "machine.steady": {"machine.flapping"},
    "source.restored": {"source.blind"},
    "system.store_restored": {"system.store_lost"},
    "system.disk_ok": {"system.disk_low"},
    "machine.acknowledged": {"machine.offline", "machine.error"},
}
INFOS = {f"machine.{what}" for what in ("registered", "removed", "paused", "resumed", "acknowledged")}


def is_told(wishes: Preferences, type_: str) -> bool:
    """As it is decided when it happens; an end where what it ends was told, if that is wished."""
    channel = Channel("uid", "ops", "webhook", prefs=wishes)
    told = frozenset({"uid"} if any(channel.wants(begun) for begun in ENDED.get(type_, ())) else ())
    severity = Severity.INFO if type_ in INFOS | ENDED.keys() else Severity.ALERT
    event = Event("e", type_, severity, datetime(2026, 6, 1, tzinfo=UTC), "", {"machine": None})
    return unwanted(channel, event, told) is None


def is_taken(wishes: Preferences) -> bool:
    try:
        checked_wishes(wishes)
    except InvalidInput:
        return False
    return True


@pytest.mark.parametrize("severity", ["alert", "info"])
def test_what_is_wished_for_by_name_is_told_or_refused(severity: Any) -> None:
    for types in [*((one,) for one in TOLD), *combinations(TOLD, 2)]:
        wishes = Preferences(events=types, severity=severity)
        told = all(is_told(wishes, type_) for type_ in types)
        assert is_taken(wishes) is told, types


@pytest.mark.parametrize(
    ("wishes", "field", "words"),
    [
        ({"events": ["machine.paused"]}, "severity", "'machine.paused'"),
        ({"events": ["machine.re*"]}, "severity", "'machine.re*'"),
        ({"events": ["machine.offline", "machine.registered"]}, "severity", "'machine.registered'"),
        ({"events": ["machine.flapping", "machine.acknowledged"]}, "severity", "'machine.acknowledged'"),
        ({"events": ["source.restored"]}, "severity", "'source.restored'"),
        ({"events": ["machine.online"]}, "events", "machine.offline too"),
        ({"events": ["machine.online"], "severity": "info"}, "events", "machine.offline too"),
        ({"events": ["machine.flapping", "machine.online"]}, "events", "machine.offline too"),
        ({"events": ["machine.steady"], "severity": "info"}, "events", "machine.flapping too"),
    ],
)
def test_what_would_never_be_told_is_refused_with_what_it_wants(wishes: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_wishes(preferences_from(wishes))
    assert refused.value.field == field
    assert words in refused.value.message


@pytest.mark.parametrize(
    "wishes",
    [
        {"events": ["machine.paused"], "severity": "info"},
        {"events": ["machine.error", "machine.online"]},
        {"events": ["machine.offline", "machine.acknowledged"]},
        {"events": ["machine.o*"]},
        {"events": ["machine.flapping", "machine.steady"]},
        {"events": ["source.restored"], "severity": "info"},
    ],
)
def test_what_is_told_is_taken(wishes: dict[str, Any]) -> None:
    assert checked_wishes(preferences_from(wishes)).events == tuple(wishes["events"])


def test_a_change_of_one_field_is_looked_at_with_the_other_and_an_older_wish_stands_in_no_way() -> None:
    wanted = preferences_from({"events": ["machine.paused"], "severity": "info"})
    for said in ({"severity": "alert"}, {"severity": None}):
        with pytest.raises(InvalidInput) as refused:
            merged(wanted, said)
        assert refused.value.field == "severity"
    assert merged(wanted, {"severity": "alert", "events": None}) == Preferences()
    with pytest.raises(InvalidInput):
        merged(Preferences(), {"events": ["machine.paused"]})
    for older in (("machine.paused",), ("machine.online",), ("gone.since",)):
        stored = Preferences(events=older)
        assert merged(stored, {"repeat_every": 3600}).events == older
        assert merged(stored, {"severity": "info"}).events == older
    assert merged(Preferences(events=("machine.online",)), {"severity": "alert"}).events == ("machine.online",)


async def test_what_is_wished_for_by_name_comes(tmp_path: Path) -> None:
    hook = RecordingNotifier()
    async with scene("sqlite", tmp_path, told=hook) as s:
        await prefer(s, Preferences(events=("machine.paused", "machine.error"), severity="info"))
        await s.beat("pump")
        await s.beat("pump", report={"status": "error", "message": "stuck"})
        await s.beat("pump", report={"status": "ok"})
        await s.monitor.pause("pump")
        await s.clock.advance("1s")
        assert s.types == ["machine.error pump", "machine.online pump", "machine.paused pump"]
