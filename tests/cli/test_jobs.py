"""Jobs on the command line: when they are due, and how they ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from lastseen.clock import SystemClock
from lastseen.monitor.calendar import upcoming
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.testing import FakeClock
from tests.cli.conftest import Cli

RUN = "0b9d8c4e-6f3a-4b21-9d57-1f1f5b7a9a10"


def test_a_job_has_a_schedule_and_its_next_three_times_are_listed(cli: Cli) -> None:
    flags = (
        "--kind",
        "job",
        "--schedule",
        "30 2 * * *",
        "--tz",
        "Europe/Berlin",
        "--grace",
        "30m",
        "--max-runtime",
        "2h",
    )
    cli.json("machines", "add", "backup-nas", *flags)
    before = SystemClock().now()
    shown = cli.json("machines", "show", "backup-nas")
    assert {name: shown[name] for name in ("schedule", "timezone", "grace_seconds", "max_runtime_seconds")} == {
        "schedule": "30 2 * * *",
        "timezone": "Europe/Berlin",
        "grace_seconds": 1800,
        "max_runtime_seconds": 7200,
    }
    due = [datetime.fromisoformat(at) for at in shown["next_due"]]
    assert due in (
        [one.at for one in upcoming("30 2 * * *", "Europe/Berlin", at, 3)]
        for at in (before, due[0] - timedelta(hours=1))
    )
    assert shown["runs"] == []
    people = cli("machines", "show", "backup-nas").out
    assert "30 2 * * * (Europe/Berlin)" in people
    assert due[0].strftime("%Y-%m-%d %H:%M:%S") in people
    assert "30 2 * * *" in cli("machines", "list").out
    (listed,) = cli.json("machines", "list")
    assert listed["schedule"] == "30 2 * * *"


def test_what_is_not_said_is_one_hour(cli: Cli) -> None:
    cli.json("machines", "add", "a", "--schedule", "daily")
    cli.json("machines", "add", "b", "--grace", "20m")
    a, b = cli.json("machines", "show", "a"), cli.json("machines", "show", "b")
    assert (a["grace_seconds"], a["max_runtime_seconds"], a["timezone"]) == (3600, 3600, None)
    assert (b["grace_seconds"], b["max_runtime_seconds"], b["next_due"]) == (None, 1200, [])


def test_a_schedule_without_a_zone_is_meant_in_the_zone_of_the_people_here(cli: Cli) -> None:
    cli.env["LASTSEEN_TIMEZONE"] = "Asia/Kolkata"
    for name, schedule in (("a", "0 3 * * *"), ("b", "03:00 Europe/Berlin")):
        cli.json("machines", "add", name, "--schedule", schedule)
    cli.json("machines", "add", "c", "--schedule", "0 3 * * *", "--tz", "UTC")
    cli.json("machines", "add", "d")
    assert [cli.json("machines", "show", name)["timezone"] for name in "abcd"] == ["Asia/Kolkata", None, "UTC", None]
    cli.env["LASTSEEN_TIMEZONE"] = "America/New_York"
    assert cli.json("machines", "set", "c", "--schedule", "0 4 * * *")["timezone"] == "UTC"
    assert cli.json("machines", "set", "d", "--schedule", "0 4 * * *")["timezone"] == "America/New_York"


def test_a_schedule_is_changed_and_taken_back(cli: Cli) -> None:
    cli.json("machines", "add", "a", "--schedule", "0 3 * * *", "--grace", "10m", "--max-runtime", "5m")
    changed = cli.json(
        "machines", "set", "a", "--schedule", "Mon 04:00", "--grace", "default", "--max-runtime", "default"
    )
    assert (changed["schedule"], changed["grace_seconds"], changed["max_runtime_seconds"]) == ("Mon 04:00", 3600, 3600)
    assert {datetime.fromisoformat(at).weekday() for at in changed["next_due"]} == {0}
    gone = cli.json("machines", "set", "a", "--schedule", "none", "--tz", "none")
    assert (gone["schedule"], gone["timezone"], gone["next_due"]) == (None, None, [])
    assert "limit" in cli("machines", "show", "a").out


@pytest.mark.parametrize(
    ("flags", "option"),
    [
        (["--schedule", "0 25 * * *"], "--schedule"),
        (["--schedule", "soon"], "--schedule"),
        (["--schedule", "*-02-30"], "--schedule"),
        (["--schedule", "2020-01-01 03:00"], "--schedule"),
        (["--schedule", "0 3 * * *", "--tz", "Europe/Nowhere"], "--tz"),
        (["--tz", "Europe/Nowhere"], "--tz"),
        (["--grace", "soon"], "--grace"),
        (["--max-runtime", "0"], "--max-runtime"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_changed(cli: Cli, flags: list[str], option: str) -> None:
    cli.json("machines", "add", "there")
    for done in (cli("machines", "add", "new", *flags), cli("machines", "set", "there", *flags)):
        assert done.code == 1
        assert done.err.startswith(f"lastseen: {option}: ")
    (there,) = cli.json("machines", "list")
    assert (there["schedule"], there["timezone"], there["max_runtime_seconds"]) == (None, None, 3600)


def test_the_last_runs_are_shown(cli: Cli) -> None:
    cli.json("machines", "add", "backup-nas", "--kind", "job")
    anyio.run(two_nights, f"sqlite:///{cli.folder}/lastseen.db")
    shown = cli.json("machines", "show", "backup-nas")
    assert [run["outcome"] for run in shown["runs"]] == [None, "fail", "success"]
    failed = shown["runs"][1]
    assert (failed["run"], failed["seconds"], failed["exit_code"], failed["last_line"]) == (
        RUN,
        840,
        2,
        "no space left",
    )
    assert failed["output"] == "line\nno space left\n\n"
    assert failed["started_at"] == "2026-11-20T04:14:00Z"
    people = cli("machines", "show", "backup-nas").out
    assert "no space left" in people
    assert "14 min" in people


async def two_nights(store: str) -> None:
    """A night that is well, one that is not, and one that goes on."""
    clock = FakeClock(datetime(2026, 11, 20, 3, 0, tzinfo=UTC))
    async with HeartbeatMonitor(store, clock=clock) as monitor:
        for ended, output in (("ok", "all fine"), ("error", "line\nno space left\n\n")):
            await say(monitor, status="start", run=RUN)
            await clock.advance("14m")
            await say(monitor, status=ended, run=RUN, exit_code=0 if ended == "ok" else 2, output=output)
            await clock.advance("1h")
        await say(monitor, status="start")
        await clock.advance("1s")


async def say(monitor: HeartbeatMonitor, **report: Any) -> None:
    await monitor.heartbeat("backup-nas", json.dumps(report))
