"""What people wish to be told, and when: nothing is lost, nothing is told to whom it is not wished, and each has a
reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.errors import InvalidInput, NotFound
from lastseen.manage.channels import merged
from lastseen.model import Matcher, Preferences, Quiet, Silence, preferences_from
from lastseen.notifiers.quiet import checked_wishes, quiet_until
from lastseen.testing import FakeClock, RecordingNotifier
from tests.monitor.cases import Scene, scene
from tests.monitor.people import prefer, reasons, silence


class Reader(RecordingNotifier):
    """A channel that people read: many events in one message."""

    def __init__(self) -> None:
        super().__init__(max_batch=30)


@asynccontextmanager
async def told(folder: Path, wishes: Preferences | None = None, **options: Any) -> AsyncIterator[Scene]:
    async with scene("sqlite", folder, told=options.pop("told", None) or Reader(), **options) as s:
        if wishes is not None:
            await prefer(s, wishes)
        yield s


# -- who


async def test_a_channel_hears_of_the_machines_it_wants_alone(tmp_path: Path) -> None:
    wishes = Preferences(machines=Matcher(tags=("home",), names=("cam-*",)))
    async with told(tmp_path, wishes) as s:
        await s.monitor.watch("cam-1", tags=["home"])
        await s.monitor.watch("cam-2", tags=["work"])
        await s.monitor.watch("web", tags=["home"])
        await s.beat("cam-1", "cam-2", "web")
        await s.clock.advance("4m")
        assert s.types == ["machine.offline cam-1"]
        await s.beat("cam-1", "cam-2", "web")
        await s.clock.advance("3s")
        assert s.types == ["machine.offline cam-1", "machine.online cam-1"]
        why = await reasons(s)
        assert why["machine.offline cam-2"] == 'wants only tag "home"'
        assert why["machine.offline web"] == 'wants only "cam-*"'


async def test_a_channel_hears_of_the_types_it_wants_alone(tmp_path: Path) -> None:
    async with told(tmp_path, Preferences(events=("machine.error",))) as s:
        await s.beat("pump")
        await s.beat("pump", report={"status": "error", "message": "stuck"})
        await s.clock.advance("4m")
        assert s.types == ["machine.error pump"]
        assert (await reasons(s))["machine.offline pump"] == "wants only machine.error"


async def test_who_wants_everything_hears_of_what_is_no_alert_too(tmp_path: Path) -> None:
    async with told(tmp_path, Preferences(severity="info")) as s:
        await s.monitor.watch("pump")
        await s.beat("pump")
        await s.monitor.pause("pump")
        await s.clock.advance("1s")
        assert s.types == ["machine.registered pump", "machine.paused pump"]


async def test_a_wish_that_changes_counts_for_what_waits(tmp_path: Path) -> None:
    async with told(tmp_path, Preferences(notify_after=600)) as s:
        await s.beat("pump")
        await s.clock.advance("4m")
        await prefer(s, Preferences(machines=Matcher(tags=("home",))))
        await s.clock.advance("1h")
        assert s.types == []
        assert (await reasons(s))["machine.offline pump"] == 'wants only tag "home"'


# -- notify_after


async def test_what_is_over_before_its_time_is_told_to_nobody_and_neither_is_its_end(tmp_path: Path) -> None:
    async with told(tmp_path, Preferences(notify_after=600)) as s:
        await s.beat("short", "long")
        await s.clock.advance("8m")
        assert s.types == []
        assert (await reasons(s))["machine.offline short"] == "held: told after 10 min"
        await s.beat("short")
        await s.keep_beating(["short"], 10)
        assert s.types == ["machine.offline long"]
        why = await reasons(s)
        assert why["machine.offline short"] == "over before it was told (told after 10 min)"
        assert why["machine.online short"] == "was not told of what this ends"
        await s.beat("long")
        await s.clock.advance("3s")
        assert s.types == ["machine.offline long", "machine.online long"]


async def test_an_alert_is_told_at_its_time_to_the_second(tmp_path: Path) -> None:
    async with told(tmp_path, Preferences(notify_after=600)) as s:
        await s.beat("pump")
        await s.clock.advance("12m59s")
        assert s.types == []
        await s.clock.advance("4s")
        assert s.types == ["machine.offline pump"]


# -- silences


async def test_a_silence_holds_and_what_is_still_so_at_its_end_is_told(tmp_path: Path) -> None:
    async with told(tmp_path) as s:
        for name in ("db-1", "db-2", "web"):
            await s.monitor.watch(name, group="berlin" if name != "web" else "rome")
        await s.beat("db-1", "db-2", "web")
        await silence(s, Matcher(groups=("berlin",)), 30)
        await s.clock.advance("5m")
        assert s.types == ["machine.offline web"]
        assert (await reasons(s))["machine.offline db-1"] == 'held: silence "works"'
        await s.keep_beating(["db-1"], 24)
        assert s.types == ["machine.offline web"]
        await s.keep_beating(["db-1"], 2)
        assert s.types == ["machine.offline web", "machine.offline db-2"]
        why = await reasons(s)
        assert why["machine.offline db-1"] == 'over before it was told (silence "works")'
        assert why["machine.online db-1"] == "was not told of what this ends"


async def test_a_silence_that_is_ended_lets_go_at_once(tmp_path: Path) -> None:
    async with told(tmp_path) as s:
        await s.beat("pump")
        made = await silence(s, Matcher(), 300)
        await s.clock.advance("10m")
        assert s.types == []
        await s.sql.end_silence(made.id, s.clock.now())
        s.monitor.dispatcher.reload()
        await s.clock.advance("3s")
        assert s.types == ["machine.offline pump"]
        with pytest.raises(NotFound):
            await s.sql.end_silence(made.id, s.clock.now())


async def test_a_planned_silence_begins_in_its_time(tmp_path: Path) -> None:
    async with told(tmp_path) as s:
        await s.beat("early", "late")
        now = s.clock.now()
        await s.sql.add_silence(Silence("plan", now + timedelta(minutes=5), now + timedelta(minutes=60)), now)
        s.monitor.dispatcher.reload()
        await s.keep_beating(["late"], 2)
        assert s.types == []
        await s.clock.advance("70s")
        assert s.types == ["machine.offline early"]
        await s.clock.advance("30m")
        assert s.types == ["machine.offline early"]


async def test_a_silence_of_one_chat_is_its_own(tmp_path: Path) -> None:
    family = Reader()
    async with scene("sqlite", tmp_path, told=Reader(), notify={"ops": Reader(), "family": family}) as s:
        ops = next(channel.uid for channel in await s.sql.channels() if channel.name == "ops")
        await s.beat("pump")
        await silence(s, Matcher(channels=(ops,)), 30)
        await s.clock.advance("5m")
        assert len(family.messages) == 1
        assert (await reasons(s)).get("machine.offline pump") == 'held: silence "works"'


async def test_an_end_that_was_told_before_a_silence_is_told_after_it(tmp_path: Path) -> None:
    async with told(tmp_path) as s:
        await s.beat("pump")
        await s.clock.advance("4m")
        await silence(s, Matcher(), 30)
        await s.beat("pump")
        await s.keep_beating(["pump"], 29)
        assert s.types == ["machine.offline pump"]
        await s.keep_beating(["pump"], 2)
        assert s.types == ["machine.offline pump", "machine.online pump"]


# -- reminders


async def test_an_alert_is_told_again_until_it_is_over(tmp_path: Path) -> None:
    async with told(tmp_path, Preferences(repeat_every=3600)) as s:
        await s.beat("pump")
        await s.clock.advance("3h30m")
        assert s.types == ["machine.offline pump"] * 4
        await s.beat("pump")
        await s.clock.advance("1s")
        assert s.types == ["machine.offline pump"] * 4 + ["machine.online pump"], "the reminder does not hold it up"
        await s.keep_beating(["pump"], 120)
        assert len(s.types) == 5
        rows = [row for row in await s.sql.notifications() if row["cause"] == "reminder"]
        assert [row["state"] for row in rows] == ["cancelled", "delivered", "delivered", "delivered"]
        assert rows[0]["reason"] == "it is over"


async def test_who_has_seen_it_is_not_reminded(tmp_path: Path) -> None:
    async with told(tmp_path, Preferences(repeat_every=3600)) as s:
        await s.beat("pump")
        await s.clock.advance("1h30m")
        assert len(s.types) == 2
        await s.monitor.acknowledge("pump", "eva")
        await s.clock.advance("10h")
        assert len(s.types) == 2
        assert "acknowledged by eva" in (await reasons(s)).values()


async def test_an_error_is_acknowledged_as_an_outage_is_and_one_that_follows_is_told_again(tmp_path: Path) -> None:
    async with told(tmp_path, Preferences(repeat_every=3600)) as s:
        await s.beat("pump", report={"status": "error", "message": "no water"})
        for _ in range(3):
            await s.monitor.acknowledge("pump", "eva")
        await s.keep_beating(["pump"], 180)
        assert s.types == ["machine.error pump"]
        events = [row for row in await s.sql.events() if row["type"] == "machine.acknowledged"]
        assert [row["reason"] for row in events] == ["eva"], "once"
        await s.clock.advance("4m")
        assert s.types[1:] == ["machine.offline pump"], "it is worse now: that is news"
        await s.clock.advance("1h")
        assert s.types[2:] == ["machine.offline pump"], "and nobody has seen that yet"
        await s.monitor.acknowledge("pump", "ada")
        await s.clock.advance("5h")
        assert len(s.types) == 3
        assert "acknowledged by ada" in (await reasons(s)).values()
        await s.beat("pump", report={"status": "ok"})
        await s.clock.advance("10s")
        assert s.types[3:] == ["machine.online pump"], "the end is told all the same"


async def test_a_machine_that_is_well_cannot_be_acknowledged(tmp_path: Path) -> None:
    async with told(tmp_path) as s:
        await s.beat("pump")
        await s.monitor.acknowledge("pump", "eva")
        await s.monitor.watch("never-heard")
        await s.monitor.acknowledge("never-heard", "eva")
        assert not [row for row in await s.sql.events() if row["type"] == "machine.acknowledged"]


# -- quiet hours

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Quiet("22:00", "07:00", "Europe/Berlin")


async def test_quiet_hours_end_in_one_digest_and_urgent_machines_pass(tmp_path: Path) -> None:
    clock = FakeClock(datetime(2026, 6, 1, 20, 0, tzinfo=UTC))  # 22:00 in Berlin
    async with told(tmp_path, Preferences(quiet=NIGHT), clock=clock, timezone=BERLIN) as s:
        for name in ("nas", "cam", "door"):
            await s.monitor.watch(name, tags=["urgent"] if name == "door" else [])
        await s.beat("nas", "cam", "door")
        await s.clock.advance("4m")
        assert s.types == ["machine.offline door"]
        assert (await reasons(s))["machine.offline nas"] == "held: quiet hours"
        await s.beat("cam")
        await s.monitor.watch("cam", offline_after="never")
        await s.clock.advance("535m")
        assert s.types == ["machine.offline door"]
        await s.keep_beating(["cam"], 2)
        digest = s.told.messages[-1]
        assert sorted(event.type for event in digest.events) == ["machine.offline", "machine.offline", "machine.online"]
        assert digest.text.splitlines()[0] == "☀️ 07:00: 1 offline now, 1 came and went"
        assert len(s.told.messages) == 2


@given(st.integers(0, 366 * 24 * 60), st.sampled_from(["22:00-07:00", "01:30-02:30", "09:00-17:00", "02:00-03:00"]))
def test_quiet_hours_are_what_a_wall_clock_shows(minute: int, span: str) -> None:
    """Against reading the wall clock, on every day that has one reading of each time."""
    start, end = span.split("-")
    quiet = Quiet(start, end, "Europe/Berlin")
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    local = now.astimezone(BERLIN)
    if local.date().isoformat() in ("2026-03-29", "2026-10-25"):
        return
    shown = f"{local:%H:%M}"
    inside = start <= shown < end if start < end else (shown >= start or shown < end)
    until = quiet_until(quiet, now, None)
    assert (until is not None) is inside
    if until is not None:
        assert f"{until.astimezone(BERLIN):%H:%M}" == end
        assert timedelta(0) < until - now <= timedelta(hours=10)


@pytest.mark.parametrize(
    ("now", "inside"),
    [
        ("2026-06-05T21:00", True),  # Friday 23:00 in Berlin
        ("2026-06-06T04:00", True),  # Saturday 06:00: Friday's night goes on
        ("2026-06-06T21:00", False),  # Saturday 23:00
        ("2026-06-04T21:00", False),  # Thursday 23:00
    ],
)
def test_the_days_are_those_on_which_it_begins(now: str, inside: bool) -> None:
    quiet = Quiet("22:00", "07:00", "Europe/Berlin", days=("fri",))
    assert (quiet_until(quiet, datetime.fromisoformat(now).replace(tzinfo=UTC), None) is not None) is inside


def test_the_night_on_which_clocks_change_ends_when_the_clock_shows_it() -> None:
    spring, autumn = datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 23, tzinfo=UTC)
    assert quiet_until(NIGHT, spring, None) == datetime(2026, 3, 29, 5, tzinfo=UTC)
    assert quiet_until(NIGHT, autumn, None) == datetime(2026, 10, 25, 6, tzinfo=UTC)


# -- what cannot be wished


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"quiet": {"start": "25:00", "end": "07:00"}}, "quiet.start"),
        ({"quiet": {"start": "07:00", "end": "07:00"}}, "quiet.end"),
        ({"quiet": {"start": "22:00", "end": "07:00", "timezone": "Mars/Base"}}, "quiet.timezone"),
        ({"quiet": {"start": "22:00", "end": "07:00", "days": ["noday"]}}, "quiet.days"),
        ({"quiet": {"start": "22:00"}}, "quiet"),
        ({"notify_after": -1}, "notify_after"),
        ({"repeat_every": 5}, "repeat_every"),
        ({"severity": "loud"}, "severity"),
        ({"machines": {"tags": "home"}}, "machines.tags"),
        ({"volume": 11}, ""),
        ({"events": ["nonsense"]}, "events"),
        ({"events": ["machine.*", "machine.ofline"]}, "events"),
        ({"events": ["Machine.*"]}, "events"),
        ({"events": [""]}, "events"),
        ({"events": ["system.no_channel"]}, "events"),  # recorded, and told to nobody
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_naming_the_field(value: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_wishes(preferences_from(value))
    assert refused.value.field == field


@pytest.mark.parametrize("pattern", ["machine.offline", "machine.*", "*", "source.*", "system.*", "channel.*"])
def test_a_pattern_that_fits_a_type_of_event_is_taken(pattern: str) -> None:
    assert checked_wishes(preferences_from({"events": [pattern]})).events == (pattern,)


def test_a_slip_in_a_type_of_event_is_answered_with_what_was_meant() -> None:
    with pytest.raises(InvalidInput, match=r"'machine.ofline' .*'machine.offline'"):
        checked_wishes(preferences_from({"events": ["machine.ofline"]}))
    with pytest.raises(InvalidInput, match=r"'nonsense' fits no type of event that is told, such as"):
        checked_wishes(preferences_from({"events": ["nonsense"]}))


async def test_what_was_wished_before_and_fits_no_event_is_still_loaded(tmp_path: Path) -> None:
    async with told(tmp_path) as s:
        (channel,) = await s.sql.channels()
        await s.sql.prefer(channel.uid, Preferences(events=("gone.since",)), None, s.clock.now())
        (channel,) = await s.sql.channels()
        assert channel.prefs.events == ("gone.since",)
        other = merged(channel.prefs, {"repeat_every": 3600})
        assert (other.events, other.repeat_every) == (("gone.since",), 3600)
        with pytest.raises(InvalidInput):
            merged(channel.prefs, {"events": ["gone.since"]})


def test_what_has_no_name_is_not_called_all_machines() -> None:
    """A silence of it could once be made by a command."""
    assert (str(Matcher()), str(Matcher(names=("",)))) == ("all machines", "")
