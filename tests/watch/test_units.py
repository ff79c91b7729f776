"""The units in deploy/systemd, as systemd reads them, and the page that speaks of them and of what is wrong."""

from __future__ import annotations

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from lastseen.monitor.health import LATE, PATIENCE, Part, Signs, health
from lastseen.settings import Settings
from tests.support import needs_programs
from tests.watch.signs import NOW, WELL, ago

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
PAGE = ROOT / "docs" / "watching-the-watcher.md"


@needs_programs("systemd-analyze")
def test_systemd_understands_every_line_of_the_units(tmp_path: Path) -> None:
    """But for the command, which is not installed here."""
    (tmp_path / "lastseen.service.d").mkdir()
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.service.d/*.conf")]:
        text = unit.read_text().replace("/usr/local/bin/lastseen", "/bin/true")
        (tmp_path / unit.relative_to(UNITS)).write_text(text)
    for unit in sorted(tmp_path.glob("*.service")):
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
        complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
        assert (done.returncode, complaints) == (0, []), done.stderr


@needs_programs("systemd-analyze")
@pytest.mark.parametrize("name", ["lastseen.service", "lastseen-agent.service"])
def test_the_units_give_up_what_they_do_not_need(name: str) -> None:
    """systemd's own measure: 10 is a service without limits; 2 is called OK."""
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(UNITS / name)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


def test_the_units_name_settings_that_are_there() -> None:
    known = {name for name, _, _ in Settings.describe()}
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.service.d/*.conf")]:
        named = re.findall(r"^Environment=(\w+?)(?:_FILE)?=", unit.read_text(), re.M)
        assert set(named) <= known, unit


def test_the_page_says_everything_that_can_be_wrong_and_nothing_else() -> None:
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text().splitlines() if line[:3] == "| `"
    ]
    told = {(trouble.part.value, trouble.reason) for signs in ALL_WRONG for trouble in health(signs)}
    told.add((Part.HEARTBEATS.value, "not accepted now: starting or stopping"))
    assert {(row[0].strip("`"), row[2]) for row in cells if len(row) == 4} == told
    text = PAGE.read_text()
    assert f"and {LATE.total_seconds():g} s" in text
    assert f"within {PATIENCE:g} s" in text


HOURS = ago(timedelta(hours=2))
ALL_WRONG = [
    Signs(NOW, False, HOURS, None, None, HOURS, None),
    Signs(NOW, True, HOURS, timedelta(0), None, NOW, None, HOURS, "", HOURS),
    Signs(NOW, True, NOW, None, None, HOURS, timedelta(0)),
    Signs(NOW, True, NOW, None, None, NOW, None, None, f"no answer within {PATIENCE:g} s"),
    Signs(NOW, True, NOW, None, None, NOW, None, None, "it cannot be read"),
    WELL,
]
