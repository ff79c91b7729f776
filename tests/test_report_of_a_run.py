"""What a job says of its runs, in the body of a heartbeat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lastseen.errors import InvalidInput
from lastseen.model import Said
from lastseen.report import parse_report

RUN = "0B9D8C4E-6f3a-4b21-9d57-1f1f5b7a9a10"


def test_a_run_begins_and_ends_under_one_name() -> None:
    began = parse_report({"status": "start", "run": RUN})
    ended = parse_report(
        {"status": "error", "run": RUN, "exit_code": 2, "duration_seconds": 840.5, "output": "no space"}
    )
    assert (began.said, began.run, began.exit_code) == (Said.START, RUN.lower(), None)
    assert (ended.said, ended.run, ended.exit_code, ended.duration) == (Said.ERROR, RUN.lower(), 2, 840.5)
    assert json.loads(ended.body or "")["run"] == RUN


def test_a_report_of_no_run_says_nothing_of_one() -> None:
    report = parse_report({"status": "ok", "run": None, "exit_code": None, "duration_seconds": None})
    assert (report.run, report.exit_code, report.duration) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run", "monday"),
        ("run", ""),
        ("run", RUN + "\n"),
        ("run", RUN.replace("-", "")),
        ("run", 17),
        ("exit_code", "2"),
        ("exit_code", 1.5),
        ("exit_code", True),
        ("exit_code", 2**31),
        ("duration_seconds", -1),
        ("duration_seconds", "14 min"),
        ("status", "started"),
    ],
)
def test_a_wrong_value_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match="must be") as caught:
        parse_report({field: value})
    assert caught.value.field == field
