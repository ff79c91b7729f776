"""Why was I told, or not? The story of one machine, as people and programs read it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lastseen.errors import InvalidInput, UnknownMachine
from lastseen.model import BlindPeriod, BlindReason, Matcher, Message, Outcome, Preferences, Quiet, Rejected, replace
from lastseen.model.story import RefusedCount, Told
from lastseen.monitor.moment import named
from lastseen.monitor.story import Asked, Story, story
from lastseen.monitor.story_layout import as_dict, lines, printed
from lastseen.monitor.story_words import told_words
from lastseen.notifiers.wording import When
from lastseen.testing import RecordingNotifier
from tests.monitor.cases import STORES, Scene, scene
from tests.monitor.comings import flap, stays_up, watched
from tests.monitor.people import Broken, Chat, prefer, silence


class Refuses(RecordingNotifier):
    async def send(self, message: Message) -> Outcome | None:
        return Rejected("404 no such chat")


async def why(s: Scene, name: str, at: str | None = None) -> Story:
    now = s.clock.now()
    asked = Asked(now, now) if at is None else Asked(*named(at, now, UTC), now=False)
    facts = await s.monitor.store.account(name, asked.since, asked.until, now)  # type: ignore[attr-defined]
    return story(facts, s.monitor.described(facts.standing, now), asked, When(now, UTC))


async def said(s: Scene, name: str, at: str | None = None) -> list[str]:
    """The lines that a terminal shows."""
    return printed(as_dict(await why(s, name, at)), When(s.clock.now(), UTC)).splitlines()


def line_of(lines: Sequence[str], word: str) -> str:
    (found,) = (line for line in lines if word in line)
    return " ".join(found.split())


@asynccontextmanager
async def four(folder: Path) -> AsyncIterator[Scene]:
    """A channel that works, one whose far end is away, one in its quiet hours, one that wants other machines."""
    ops, pager, boss, family = RecordingNotifier(), Broken(), RecordingNotifier(), RecordingNotifier()
    pager.there = False
    notify = {"ops": ops, "pager": pager, "boss": boss, "family": family}
    async with scene("sqlite", folder, told=ops, notify=notify) as s:
        await prefer(s, Preferences(machines=Matcher(tags=("home",))), "family")
        await prefer(s, Preferences(quiet=Quiet("00:00", "23:00", "UTC")), "boss")
        yield s


async def test_an_outage_says_what_was_noticed_and_what_became_of_each_channel(tmp_path: Path) -> None:
    async with four(tmp_path) as s:
        await s.beat("db-01")
        await s.clock.advance("10m")
        lines = await said(s, "db-01")
        assert lines[0] == "db-01  OFFLINE since 12:00:00 (10 min)"
        assert lines[2] == "12:00:00  last heartbeat, by http"
        assert lines[3].startswith("12:03:00  noticed: silent for 3 min (limit 3 min, from the default)   event ")
        assert line_of(lines, "ops ") == "ops code told 12:03:00"
        assert line_of(lines, "pager ").startswith("pager code WAITING: 503 from pager.example, attempt ")
        assert line_of(lines, "boss ") == "boss code held: quiet hours, until 23:00"
        assert line_of(lines, "family ") == 'family code not told: wants only tag "home"'


@pytest.mark.parametrize("store", STORES)
async def test_the_next_attempt_is_never_said_to_be_at_a_moment_that_is_over(store: str, tmp_path: Path) -> None:
    pager = Broken()
    pager.there = False
    async with scene(store, tmp_path, told=pager) as s:
        await s.beat("db-01", "db-02")
        await s.clock.advance("3m")
        later = 0
        for _ in range(20):
            await s.clock.advance("37s")
            for name in ("db-01", "db-02"):
                line = line_of(await said(s, name), "WAITING: ")
                *_, due = line.split()
                assert due == "now" or due >= f"{s.clock.now():%H:%M}", line
                ((row,),) = (moment.told for moment in (await why(s, name)).moments if moment.told)
                later += row.row.ready_at is not None and row.row.due_at < s.clock.now() < row.row.ready_at
        assert later, "the channel cooled down for longer than one of them was to wait"


def test_what_is_due_is_tried_as_soon_as_its_channel_has_cooled_down() -> None:
    due, ready = NOW - timedelta(minutes=6), NOW + timedelta(minutes=2)
    when = When(NOW, UTC)
    row = Told("n", "e", "pager", "code", "event", "pending", None, 1, due, due, ready_at=ready)
    assert told_words(row, when) == "WAITING: it could not be sent, attempt 1, next 14:32"
    assert told_words(replace(row, ready_at=due), when) == "WAITING: it could not be sent, attempt 1, next now"
    assert told_words(replace(row, attempts=0), when) == "WAITING: not tried yet, due 14:32:15"
    assert told_words(replace(row, attempts=0, cause="reminder", ready_at=None), when) == "next reminder now"


async def test_what_was_given_up_says_how_to_tell_it_again(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path, told=Refuses()) as s:
        await s.beat("db-01")
        await s.clock.advance("12h")
        line = line_of(await said(s, "db-01"), "ops ")
        assert "NOT TOLD: refused 3 times: 404 no such chat: `lastseen notifications replay " in line


async def test_a_refused_key_is_named_with_what_to_do(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        store: Any = s.monitor.store
        await s.beat("db-01")
        old = await store.add_key("machine", "ab" * 32, "lsm_9f2c1234", s.clock.now(), machine_id=1)
        new = await store.add_key("machine", "cd" * 32, "lsm_new", s.clock.now(), machine_id=1, replaces=True)
        await s.clock.advance("1m")
        await store.key_used(new.id, s.clock.now())
        await s.clock.advance("9m")
        now = s.clock.now()
        hour = now.replace(minute=0, second=0)
        await store.keep_refusals([RefusedCount("ab" * 32, hour, 412, now - timedelta(minutes=5), now)], now)
        lines = await said(s, "db-01")
        place = next(n for n, line in enumerate(lines) if "REFUSED" in line)
        assert lines[place] == "12:05 →   412 requests REFUSED: key lsm_9f2c1234… was replaced 12:01"
        assert "lastseen machines rotate-key db-01" in lines[place + 1]
        assert old.hint in lines[place]


async def test_an_outage_that_is_over_is_found_by_a_moment_of_it(tmp_path: Path) -> None:
    async with four(tmp_path) as s:
        await s.beat("db-01")
        await s.clock.advance("1h")
        await s.monitor.acknowledge("db-01", "eva")
        await s.clock.advance("1h")
        await s.beat("db-01")
        await s.clock.advance("1m")
        for moment in ("12:00", "12:30", "14:00", "2026-01-01T13:00", "Thu 12:45:10"):
            lines = await said(s, "db-01", moment)
            assert lines[0] == "db-01  was OFFLINE 12:00:00 – 14:00:00 (2 h), now online", moment
        assert line_of(lines, "acknowledged by").startswith("13:00:00 acknowledged by eva event ")
        assert line_of(lines, "back after").startswith("14:00:00 back after 2 h event ")
        assert sum("WAITING: for what is told before it" in line for line in lines) == 4, "that it is seen, and back"


async def test_the_story_of_a_machine_that_was_removed_is_told_from_what_is_left(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        await s.beat("db-01", "web")
        await s.clock.advance("1h")
        await s.monitor.forget("db-01")
        await s.monitor.forget("web")
        await s.monitor.watch("web")
        await s.clock.advance("1h")
        lines = await said(s, "db-01")
        assert lines[0] == "db-01  removed 13:00:00"
        assert "Nobody is told: it was removed, and is not watched any more. Its history is kept." in lines
        assert [line for line in lines if line.startswith("Before: 13:00 removed: `lastseen why db-01 --at ")]
        lines = await said(s, "db-01", "12:30")
        assert lines[0] == "db-01  was OFFLINE 12:00:00 – 13:00:00 (1 h), now removed"
        assert line_of(lines, "noticed: ").startswith("12:03:00 noticed: silent for 3 min")
        assert line_of(lines, "13:00:00  removed").startswith("13:00:00 removed event ")
        assert (await said(s, "web"))[0] == "web  never heard", "of a name that is used again it is the new one"
        told = as_dict(await why(s, "db-01"))
        assert (told["status"], told["removed_at"]) == (None, "2026-01-01T13:00:00Z")
        with pytest.raises(UnknownMachine):
            await why(s, "nobody")


async def test_that_it_was_told_as_never_heard_is_said_with_who_was_told(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        await s.monitor.watch("nas")
        await s.clock.advance("25h")
        await s.monitor.sweep()
        await s.clock.advance("1m")
        lines = await said(s, "nas")
        assert lines[0] == "nas  never heard"
        assert line_of(lines, "noticed: ") == "13:00:00 noticed: never reported event 2"
        assert line_of(lines, "ops ").startswith("ops code told 13:0")


@pytest.mark.parametrize("store", STORES)
async def test_without_an_incident_it_says_why_nobody_was_told(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.monitor.watch("db-01")
        lines = await said(s, "db-01")
        assert lines[0] == "db-01  never heard"
        assert "Nobody is told: it never reported, and what was never heard is not missed." in lines
        await s.beat("db-01")
        await s.clock.advance("10s")
        lines = await said(s, "db-01")
        assert lines[0] == "db-01  online, heard 10 s ago"
        assert lines[-1] == "Nobody is told: nothing is wrong. Limit 3 min."
        await s.monitor.pause("db-01")
        await s.monitor.resume("db-01")
        waits = "Nobody is told yet: it was resumed, and has not been heard since. Limit 3 min, 3 min of it left."
        assert waits in await said(s, "db-01")
        await s.monitor.pause("db-01")
        await s.clock.advance("1m")
        lines = await said(s, "db-01")
        assert lines[0] == "db-01  PAUSED since 12:00:10 (1 min)"
        assert "Nobody is told: it is not watched while it is paused. `lastseen machines resume db-01`" in lines
        await s.monitor.disable("db-01")
        await s.clock.advance("1s")
        lines = await said(s, "db-01")
        assert lines[0] == "db-01  DISABLED"
        assert "Nobody is told: it is disabled, and its keys are refused. `lastseen machines enable db-01`" in lines
        await s.monitor.enable("db-01")
        await s.clock.advance("30m")
        await s.monitor.disable("db-01")
        await s.clock.advance("30m")
        lines = await said(s, "db-01", "12:40")
        assert lines[0].startswith("db-01  was disabled at 12:40, now ")
        assert any("disabled: its keys are refused" in line for line in lines)
        assert "Nobody was told: it was disabled, and its keys were refused." in lines


@pytest.mark.parametrize("store", STORES)
async def test_a_quiet_moment_names_the_incidents_around_it(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s:
        await s.beat("db-01")
        await s.clock.advance("10m")
        await s.keep_beating(["db-01"], 20)
        await s.clock.advance("30m")
        lines = await said(s, "db-01", "12:20")
        assert lines[0] == "db-01  was online at 12:20, now OFFLINE"
        assert "Nobody was told: nothing happened from 12:11:00 until 12:33:00." in lines
        assert "Before: 12:11 back: `lastseen why db-01 --at 2026-01-01T12:11:00`" in lines
        (after,) = (line for line in lines if line.startswith("After: "))
        assert after.endswith("`lastseen why db-01 --at 2026-01-01T12:33:00`")
        assert (await said(s, "db-01", "2026-01-01T12:33"))[0].startswith("db-01  OFFLINE since 12:30:00")


async def test_blind_times_and_silences_are_part_of_it(tmp_path: Path) -> None:
    async with four(tmp_path) as s:
        await s.beat("db-01")
        await s.clock.advance("1m")
        now = s.clock.now()
        period = BlindPeriod(0, now - timedelta(seconds=20), now - timedelta(seconds=10), BlindReason.STALLED)
        await s.sql.mark(0, s.monitor.node, now, [period])
        await silence(s, Matcher(names=("db-*",)), 60)
        await silence(s, Matcher(names=("cam-*",)), 60, "of others")
        await s.clock.advance("30m")
        lines = await said(s, "db-01")
        blind = line_of(lines, "nobody could be heard by http")
        assert blind.startswith("12:00:40–12:00:50 ")
        assert "stood still" in blind
        assert line_of(lines, "12:01–13:01") == '12:01–13:01 silence "works", by eva: what happens is told at its end'
        assert 'held: silence "works", until 13:01' in line_of(lines, "ops ")
        assert not [line for line in lines if "of others" in line]


async def test_no_channel_at_all_is_said(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path, notify={}) as s:
        await s.beat("db-01")
        assert "And there is no channel: nobody would be told. `lastseen channels add`" in await said(s, "db-01")
        await s.clock.advance("10m")
        lines = await said(s, "db-01")
        assert [line for line in lines if line.strip().startswith("nobody is told: there is no channel")]


async def test_an_error_has_its_message(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        await s.beat("pump")
        await s.beat("pump", report={"status": "error", "message": "sensor\nstuck"})
        await s.clock.advance("1s")
        lines = await said(s, "pump")
        assert lines[0] == "pump  ERROR since 12:00:00 (1 s)"
        assert line_of(lines, "it reported an error: sensor stuck")


async def test_a_job_says_by_when_it_must_come(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        await s.monitor.watch("backup", schedule="0 3 * * *", grace="1h")
        await s.beat("backup")
        await s.clock.advance("1m")
        line = line_of(await said(s, "backup"), "Nobody is told")
        assert line == "Nobody is told: nothing is wrong. It must come by Fri 04:00."


async def test_a_machine_that_flaps_says_so_and_why_its_changes_are_not_told(tmp_path: Path) -> None:
    chat = Chat()
    async with watched(tmp_path, chat) as s:
        await flap(s, 4)
        lines = await said(s, "ap")
        flaps = line_of(lines, "It flaps since")
        assert flaps.startswith(
            "It flaps since 12:07: chats, mail and pushes say so once, webhooks, functions and the console each change."
            " `lastseen why ap --at "
        )
        at = flaps.split("--at ")[1].rstrip("`")
        assert line_of(await said(s, "ap", at), "flapping: 6 changes in 30 min")
        await s.clock.advance("2m")
        lines = await said(s, "ap")
        assert lines[0].startswith("ap  OFFLINE since ")
        assert "not told: it flaps: one message says so" in line_of(lines, "ops ")
        await s.beat("ap")
        await stays_up(s, 31)
        lines = await said(s, "ap", at)
        assert line_of(lines, "it holds still: 10 changes in all")


async def test_programs_get_the_facts_and_the_words(tmp_path: Path) -> None:
    async with four(tmp_path) as s:
        await s.beat("db-01")
        await s.clock.advance("10m")
        value = json.loads(json.dumps(as_dict(await why(s, "db-01"))))
        assert (value["machine"], value["status"]["status"], value["until"]) == ("db-01", "offline", None)
        heard, noticed = value["timeline"]
        assert (heard["at"], heard["told"]) == ("2026-01-01T12:00:00Z", [])
        assert (noticed["type"], noticed["event_id"]) == ("machine.offline", value["incident_id"])
        told = {one["channel"]: one for one in noticed["told"]}
        assert {name: one["state"] for name, one in told.items()} == {
            "ops": "delivered",
            "pager": "pending",
            "boss": "pending",
            "family": "skipped",
        }
        assert told["pager"]["tries"][-1]["detail"] == "503 from pager.example"
        assert told["family"]["said"] == 'not told: wants only tag "home"'


async def test_a_chat_gets_the_same_words(tmp_path: Path) -> None:
    async with four(tmp_path) as s:
        await s.beat("db-01")
        await s.clock.advance("10m")
        text = [line.text for line in lines(await why(s, "db-01"), When(s.clock.now(), UTC), "🔴 ")]
        assert text[0] == "🔴 db-01 OFFLINE since 12:00:00 (10 min)"
        assert "– ops: told 12:03:00" in text
        assert '– family: not told: wants only tag "home"' in text


NOW = datetime(2026, 11, 21, 14, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start", "seconds"),
    [
        ("03:12", "2026-11-21T03:12:00", 60),
        ("3:12", "2026-11-21T03:12:00", 60),
        ("14:30", "2026-11-21T14:30:00", 60),
        ("14:31", "2026-11-20T14:31:00", 60),
        ("03:12:09", "2026-11-21T03:12:09", 1),
        ("Sat 03:12", "2026-11-21T03:12:00", 60),
        ("sat 23:00", "2026-11-14T23:00:00", 60),
        ("Tuesday 03:12", "2026-11-17T03:12:00", 60),
        ("2026-06-01T03:12", "2026-06-01T03:12:00", 60),
        ("2026-06-01 03:12:30", "2026-06-01T03:12:30", 1),
        ("2026-06-01T03:12Z", "2026-06-01T03:12:00", 60),
        ("2026-06-01T03:12:00+02:00", "2026-06-01T01:12:00", 1),
        ("2026-06-01", "2026-06-01T00:00:00", 86_400),
    ],
)
def test_a_moment_is_named_as_people_do(text: str, start: str, seconds: int) -> None:
    since, until = named(text, NOW, UTC)
    assert since == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert until - since == timedelta(seconds=seconds) - timedelta(microseconds=1)


def test_of_a_time_that_was_there_twice_the_later_one_is_meant() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    morning = datetime(2026, 10, 25, 8, 0, tzinfo=UTC)
    assert named("02:30", morning, berlin)[0] == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    between = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert named("02:30", between, berlin)[0] == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "noon", "25:00", "3:1", "03:12:99", "2026-13-01", "Foo 03:12", "2026-06-01T", "9" * 50]
)
def test_what_is_no_moment_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(InvalidInput, match="--at: must be a time such as 03:12") as error:
        named(text, NOW, UTC, "--at")
    assert error.value.field == "--at"


def test_what_is_still_to_come_is_refused() -> None:
    with pytest.raises(InvalidInput, match="still to come"):
        named("2027-01-01T00:00", NOW, UTC)
