"""A run of the tests that is killed leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.leftovers import MARK
from tests.support import until

STARTS = """
import subprocess
from pathlib import Path

def test_it():
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    Path(__file__).with_name("started").write_text(f"{process.pid}\\n")
    process.wait()
"""


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGKILL, "0"), (signal.SIGTERM, "1")])
def test_what_a_test_has_started_ends_with_the_run(tmp_path: Path, number: int, workers: str) -> None:
    (tmp_path / "test_starts.py").write_text(STARTS)
    env = {name: value for name, value in os.environ.items() if name != MARK and not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-n", workers, "--rootdir", str(tmp_path)]
    with (tmp_path / "log").open("wb") as log:
        run = subprocess.Popen([*command, str(tmp_path)], env=env, stdout=log, stderr=log, start_new_session=True)
    started = tmp_path / "started"
    text = until(lambda: started.exists() and started.read_text(), "the test has started something")
    process = psutil.Process(int(text))
    try:
        run.send_signal(number)
        run.wait(60)
        until(lambda: not process.is_running(), "what it started has ended")
    finally:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_a_run_within_a_run_belongs_to_that() -> None:
    from tests.leftovers import end_with

    assert MARK in os.environ
    assert end_with() is None
