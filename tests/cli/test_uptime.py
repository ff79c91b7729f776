"""`lastseen uptime`: how much of the time machines were up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.conftest import Cli, beat
from tests.support import until


def test_beside_a_server_it_counts_an_outage(cli: Cli) -> None:
    cli.env["LASTSEEN_GOODBYE_GRACE"] = "0s"
    with cli.serving() as url:
        key = cli.json("machines", "add", "db-01")["key"]
        cli.json("machines", "add", "never-heard")
        assert beat(url, key) == 204
        assert beat(url, key, {"status": "offline"}) == 204
        until(lambda: cli.json("uptime", "db-01")["outages"], "the outage is counted")
        all_of_them, one = cli.json("uptime"), cli.json("uptime", "db-01", "--window", "2d")
        shown, table = cli("uptime", "db-01").out, cli("uptime").out
    assert [(m["machine"], m["outages"]) for m in all_of_them] == [("db-01", 1), ("never-heard", 0)]
    assert all_of_them[1]["uptime"] is None
    assert "days" not in all_of_them[0]
    assert one["percent"] == "0.00"
    assert (one["known_seconds"], one["unknown_seconds"]) == (pytest.approx(one["down_seconds"]), 0)
    assert [day["outages"] for day in one["days"]][-1] == 1
    assert sum(day["down_seconds"] for day in one["days"]) == pytest.approx(one["down_seconds"])
    assert shown.startswith("db-01  0.00 % in 30 d\n")
    assert "down in 1 outage; none unknown" in shown
    assert len(shown.splitlines()[2]) in (31, 32), "a sign for each day, the first and the last one not whole"
    assert [line.split()[:2] for line in table.splitlines() if line.startswith("never")] == [["never-heard", "unknown"]]


def test_days_are_those_of_the_time_zone(cli: Cli) -> None:
    cli.json("machines", "add", "db-01")
    cli.env["LASTSEEN_TIMEZONE"] = "Pacific/Kiritimati"
    days = cli.json("uptime", "db-01", "--window", "3d")["days"]
    today = datetime.now(UTC) + timedelta(hours=14)
    assert [day["day"] for day in days][-1] == today.date().isoformat()
    assert [day["start"][11:16] for day in days[1:]] == ["10:00"] * (len(days) - 1)


def test_what_is_wrong_is_said(cli: Cli) -> None:
    done = cli("uptime", "nobody")
    assert (done.code, done.out) == (1, "")
    assert "nobody" in done.err
    done = cli("uptime", "--window", "soon")
    assert done.code == 1
    assert "--window" in done.err
    assert cli("uptime").out == "No machines yet.\n"
