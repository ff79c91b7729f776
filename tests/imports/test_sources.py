"""What Healthchecks' tables may be stored in, besides SQLite; each is read into the same plan."""

from __future__ import annotations

import gzip
import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from lastseen.errors import ConfigurationError
from lastseen.imports import healthchecks as program
from lastseen.imports.plan import Plan
from lastseen.imports.services import Given
from lastseen.imports.tables import open_any
from lastseen.imports.values import moment, span, truth, uuid_text
from lastseen.model.arrival import Stood
from tests.cli.conftest import Cli
from tests.imports.programs import Healthchecks

CODE = uuid.UUID("3c1169a0-7b50-11ea-873d-1fca1c8b6f3d")
CHANNEL = uuid.UUID("4ec5a071-2d08-4baa-898a-eb4eb3cd6941")
HEARD = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

DUMP = f"""--
-- PostgreSQL database dump
--

SET statement_timeout = 0;

COPY public.accounts_project (id, code, name, api_key, badge_key, ping_key) FROM stdin;
1\t{uuid.uuid4()}\tTab\\there\t\tb\tqwertyuiopasdfghjklzxc
\\.

COPY public.api_check (id, name, slug, tags, code, "desc", project_id, kind, timeout, grace, schedule, tz, status, \
last_ping, manual_resume, filter_body) FROM stdin;
4\tBackup\tbackup\ta b\t{CODE}\ttwo\\nlines\t1\tsimple\t1 day 02:00:00\t00:30:00\t* * * * *\tUTC\tup\t\
2026-03-04 07:06:07+02\tf\tt
\\.

COPY public.api_channel (id, name, code, project_id, kind, value, disabled) FROM stdin;
9\tpager\t{CHANNEL}\t1\tntfy\t{{"topic": "topic-of-a-dump", "url": "https://ntfy.sh", "priority": 4}}\tf
\\.

COPY public.api_ping (id, owner_id, body) FROM stdin;
1\t4\t\\N
\\.

COPY public.api_channel_checks (id, channel_id, check_id) FROM stdin;
1\t9\t4
\\.
"""

FIXTURE: list[dict[str, Any]] = [
    {"model": "accounts.project", "pk": 1, "fields": {"name": "Tab\there", "ping_key": "qwertyuiopasdfghjklzxc"}},
    {
        "model": "api.check",
        "pk": 4,
        "fields": {
            "name": "Backup", "slug": "backup", "tags": "a b", "code": str(CODE), "desc": "two\nlines", "project": 1,
            "kind": "simple", "timeout": "P1DT02H00M00S", "grace": "P0DT00H30M00S", "schedule": "* * * * *",
            "tz": "UTC", "status": "up", "last_ping": "2026-03-04T05:06:07Z", "manual_resume": False,
            "filter_body": True,
        },
    },
    {
        "model": "api.channel",
        "pk": 9,
        "fields": {
            "name": "pager", "code": str(CHANNEL), "project": 1, "kind": "ntfy", "disabled": False, "checks": [4],
            "value": json.dumps({"topic": "topic-of-a-dump", "url": "https://ntfy.sh", "priority": 4}),
        },
    },
    {"model": "api.ping", "pk": 1, "fields": {"owner": 4}},
]  # fmt: skip


def plan_of(source: Path | str) -> Plan:
    with open_any(str(source), program.TABLES) as tables:
        return program.read(tables, Given())


@pytest.fixture(params=["pg_dump", "pg_dump.gz", "dumpdata", "dumpdata.gz"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    text = (DUMP if "pg_dump" in request.param else json.dumps(FIXTURE)).encode()
    file = tmp_path / str(request.param)
    file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
    return file


def is_the_plan(plan: Plan) -> None:
    (machine,), (channel,), (key,) = plan.machines, plan.channels, plan.keys
    assert (machine.what.slug, machine.what.stood, machine.what.last_seen) == ("backup", Stood.UP, HEARD)
    assert machine.what.changes["offline_after"] == timedelta(days=1, hours=2, minutes=30)
    assert machine.what.changes["tags"] == ("a", "b")
    assert machine.what.changes["description"] == "two\nlines"
    assert machine.what.keys[0].text == str(CODE)
    assert len(machine.notes) == 1
    assert (channel.what.type, channel.what.off, channel.hears.groups) == ("ntfy", None, ("Tab\there",))
    assert (key.what.text, list(key.reaches)) == ("qwertyuiopasdfghjklzxc", ["backup"])


def test_a_dump_is_read_into_the_same_plan(source: Path) -> None:
    is_the_plan(plan_of(source))


def test_the_same_check_is_known_whatever_it_is_read_from(tmp_path: Path, healthchecks: Healthchecks) -> None:
    project = healthchecks.project()
    healthchecks.check(project, "Backup")
    (code,) = healthchecks.codes.values()
    dumped = tmp_path / "dumped.json"
    dumped.write_text(json.dumps(FIXTURE).replace(str(CODE), code))
    assert plan_of(dumped).machines[0].what.mark == plan_of(healthchecks.file).machines[0].what.mark


def test_no_secret_of_theirs_is_in_a_repr(source: Path) -> None:
    shown = repr(plan_of(source))
    assert not [text for text in (str(CODE), "qwertyuiopasdfghjklzxc", "topic-of-a-dump") if text in shown]


def test_what_is_no_dump_says_what_is_wanted(tmp_path: Path) -> None:
    for name, text, said in (
        ("custom.dump", b"PGDMP\x01\x0e", "pg_restore"),
        ("words", b"hello", "none of the tables"),
        ("wrong.json", b'[{"no": 1}]', "dumpdata"),
        ("half.json", b"[{", "dumpdata"),
        ("broken.gz", b"\x1f\x8b\x08rubbish", "cannot be read"),
        ("bytes", b"\xff\xfe\x00", "cannot be read"),
    ):
        file = tmp_path / name
        file.write_bytes(text)
        with pytest.raises(ConfigurationError, match=said):
            plan_of(file)


def test_an_address_that_cannot_be_reached_is_not_repeated(cli: Cli) -> None:
    done = cli("import", "healthchecks", "postgresql://hc:hunter2hunter2@127.0.0.1:1/hc")
    assert done.code == 1
    assert "PostgreSQL database cannot be read" in done.err
    assert "hunter2" not in done.err


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-03-04 05:06:07.000000", HEARD),
        ("2026-03-04T05:06:07Z", HEARD),
        ("2026-03-04 07:06:07+02", HEARD),
        ("2026-03-04 07:06:07+0200", HEARD),
        ("2026-03-04 07:06:07.000000 +0200 CEST m=+12.5", HEARD),
        ("2026-03-04 05:06:07 +0000 UTC", HEARD),
        (HEARD.replace(tzinfo=None), HEARD),
        (HEARD.astimezone(timezone(timedelta(hours=3))), HEARD),
        ("2026-03-04 05:06", HEARD.replace(second=0)),
        ("yesterday", None),
        ("2026-13-44 05:06:07", None),
        (None, None),
        (b"2026", None),
    ],
)
def test_a_time_is_read_however_it_is_written(written: Any, read: datetime | None) -> None:
    assert moment(written) == read


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90_000_000, 90),
        (timedelta(seconds=90), 90),
        ("00:01:30", 90),
        ("2 days", 172_800),
        ("1 day 02:00:00", 93_600),
        ("P1DT02H00M00S", 93_600),
        ("P0DT00H00M01.5S", 1.5),
    ],
)
def test_a_span_is_read_however_it_is_written(written: Any, seconds: float) -> None:
    assert span(written) == timedelta(seconds=seconds)


def test_what_is_no_span_is_none() -> None:
    assert [span(value) for value in ("", "soon", None, True, "P", "-1 days", 10**30)] == [None] * 7


def test_truths_and_uuids_are_read_however_they_are_written() -> None:
    assert [truth(value) for value in (1, True, "t", "true", "1")] == [True] * 5
    assert [truth(value) for value in (0, False, "f", "false", "0", "", None)] == [False] * 7
    assert [uuid_text(value) for value in (CODE, CODE.hex, str(CODE).upper())] == [str(CODE)] * 3
    assert uuid_text("nothing") is None


def test_a_postgresql_database_is_read_and_not_written(hc_postgres: str) -> None:
    is_the_plan(plan_of(hc_postgres))
