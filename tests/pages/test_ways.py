"""The lines to copy report as often as the machine must be heard, and of a job when it ran."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest

from lastseen.durations import parse_duration
from lastseen.manage import kinds
from lastseen.manage.who import OPERATOR
from lastseen.web.dashboard.often import by_cron, in_a_crontab, pace
from lastseen.web.dashboard.ways import Way, ways_to_report
from tests.pages.test_forms import add, browser, site
from tests.web.site import Site

__all__ = ["site"]

BASE = "https://status.example"


def ways(every: str | None = None, limit: str | None = "2m", **said: Any) -> dict[str, Way]:
    """Of a machine of whom this was said."""
    seconds = None if limit is None else parse_duration(limit).total_seconds()
    one = {"slug": "db", "ping_url": f"{BASE}/ping/50%off", "push_url": None, "offline_after_seconds": seconds}
    of_job = {"schedule": None, "timezone": None, **said}
    found = ways_to_report({**one, **of_job}, parse_duration(every) if every else None, "lsm_k", BASE, BASE)
    return {way.name: way for way in found}


CASES = [
    # every, limit: when by cron, how often by the timer and by the agent
    (None, "2m", "* * * * *", "40s", "30s"),
    (None, "1h", "* * * * *", "1m", "30s"),
    (None, None, "* * * * *", "1m", "30s"),
    (None, "15s", None, "5s", "5s"),
    (None, "1m30s", None, "30s", "30s"),
    (None, "1s", None, "0.3s", "0.3s"),
    ("10s", "30s", None, "10s", "10s"),
    ("10s", "1h", None, "10s", "10s"),
    ("90s", "270s", "* * * * *", "1m30s", "1m30s"),
    ("7m", "21m", "*/6 * * * *", "7m", "7m"),
    ("1h", "3h", "0 * * * *", "1h", "1h"),
    ("9h", "27h", "0 */8 * * *", "9h", "9h"),
    ("1d", "3d", "0 0 * * *", "1d", "1d"),
    ("7d", "21d", "0 0 * * *", "7d", "7d"),
    ("1d", "2m", "* * * * *", "40s", "30s"),
]


@pytest.mark.parametrize(("every", "limit", "cron", "timer", "agent"), CASES)
def test_lines_report_as_often_as_the_machine_must(
    every: str | None, limit: str | None, cron: str | None, timer: str, agent: str
) -> None:
    found = ways(every, limit)
    assert f"\nOnUnitActiveSec={timer}\n" in found["systemd"].blocks[0]
    assert found["agent"].blocks[-1].endswith(f" --interval {agent}")
    if cron is None:
        (loop,) = found["cron"].blocks
        assert loop.endswith(f"sleep {parse_duration(timer).total_seconds():g}; done")
        assert "would make false alarms" in found["cron"].before
    else:
        assert found["cron"].blocks[1].startswith(f"{cron} curl ")


def test_cron_never_reports_so_seldom_that_the_machine_is_missed() -> None:
    for seconds in (*range(1, 400), 3599, 3600, 86_399, 86_400, 300_000):
        span = timedelta(seconds=seconds)
        for every, limit in ((span, span * 3), (None, span), (span, timedelta(minutes=2))):
            found = by_cron(every, limit)
            assert found is None or 2 * found[1] <= max(limit, 2 * pace(every, limit, span)), (every, limit)


def test_one_who_reports_within_seconds_asks_no_longer_than_that_and_as_often_as_it_likes() -> None:
    unit, line = ways("3s", "9s")["systemd"].blocks[0], ways()["systemd"].blocks[0]
    assert "-m 3 -o" in unit
    assert "StartLimitIntervalSec=0" in unit
    assert "AccuracySec=100ms" in unit
    assert "-m 10 --retry 3 -o" in line
    assert "StartLimit" not in line


def test_a_job_is_reported_by_its_schedule_and_by_nothing_that_always_runs() -> None:
    found = ways(schedule="30 2 * * *", timezone="Europe/Berlin")
    assert set(found) == {"curl", "cron", "systemd", "run", "mqtt", "healthchecks"}
    (line,) = found["cron"].blocks
    assert line.startswith("30 2 * * * /path/to/job && curl ")
    assert r"/ping/50\%off" in line
    assert "Europe/Berlin" in found["cron"].after
    assert "50%%off" in found["systemd"].blocks[0]
    assert "OnCalendar" not in "".join(found["systemd"].blocks)
    assert found["run"].blocks[-1].startswith("30 2 * * * lastseen run --server ")


@pytest.mark.parametrize(
    ("schedule", "timezone", "calendar"),
    [
        ("Mon..Fri 02:30", "Europe/Berlin", "OnCalendar=Mon..Fri 02:30 Europe/Berlin\n"),
        ("Mon 02:30 Europe/Oslo", None, "OnCalendar=Mon 02:30 Europe/Oslo\n"),
        ("02:30", None, "OnCalendar=02:30 UTC\n"),
        ("0 30 2 * * *", None, None),
        ("0 3 L * *", None, None),
    ],
)
def test_a_schedule_that_no_crontab_takes_stands_in_none(
    schedule: str, timezone: str | None, calendar: str | None
) -> None:
    found = ways(schedule=schedule, timezone=timezone)
    assert "cron" not in found
    assert found["job"].blocks[0].startswith("/path/to/job && curl ")
    units = "\n".join(found["systemd"].blocks)
    assert calendar in units if calendar else "OnCalendar" not in units
    assert found["run"].blocks[-1].startswith("lastseen run ")


def test_what_a_crontab_takes() -> None:
    for schedule in ("@daily", "*/5 1-3,7 * JAN-mar 1,Fri", "0 0 1 1 *"):
        assert in_a_crontab(schedule), schedule
    for schedule in ("0 0 L * *", "0 0 * * 5#2", "0 0 * * 5L", "0 0 0 1 1 *", "02:30", "Mon..Fri 02:30"):
        assert not in_a_crontab(schedule), schedule


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


async def test_pages_of_a_job_name_its_schedule_and_no_limit_that_does_not_hold(site: Site) -> None:
    said = {"schedule": "30 2 * * *", "timezone": "Europe/Berlin", "grace": "1h"}
    key = (await add(site, "backup", **said))["key"]
    async with await browser(site) as admin:
        assert (await admin.post("/api/v1/heartbeat", headers={"X-API-Key": key})).status_code == 204
        page = words((await admin.get("/machines/backup")).text)
        lines = words((await admin.get("/machines/backup/connect")).text)
    assert "30 2 * * * Europe/Berlin" in page
    assert re.search(r"May come late by 1 h \(it must come by \S+ (\S+ )?0?1:30", page), page  # 03:30 there, in UTC
    assert "it is offline when it has not come 1 h after it was due: 30 2 * * * Europe/Berlin. Change that" in lines
    for text in (page, lines):
        assert "silent for" not in text
        assert "2 min" not in text


async def test_the_lines_of_a_machine_go_by_its_own_interval_or_that_of_its_kind(site: Site) -> None:
    await kinds.put(site.app.office.of(OPERATOR), "daily", every="1d")
    await add(site, "own", every="10s")
    await add(site, "of-kind", kind="daily")
    async with await browser(site) as admin:
        own, of_kind = [words((await admin.get(f"/machines/{slug}/connect")).text) for slug in ("own", "of-kind")]
    assert "It must report every 10 s" in own
    assert "--interval 10s" in own
    assert "lets cron report every 1 d" in of_kind
    assert "0 0 * * * curl" in of_kind
