"""The demo: it shows what it promises, and leaves nothing behind."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support import until


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    env = {**os.environ, "TMPDIR": str(folder), "LASTSEEN_PORT": "1", "MACHINE_OFFLINE_THRESHOLD": "never"}
    env["PYTHONUNBUFFERED"] = "1"
    return subprocess.Popen(
        [sys.executable, "-m", "lastseen", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )


def test_the_demo_shows_one_outage_told_once_and_stops_everything_it_started(tmp_path: Path) -> None:
    """That it ends by itself with `--once`, CI looks at: it runs `make demo ONCE=1`."""
    with start(tmp_path) as process:
        try:
            children = _children(process)
            assert process.stdout is not None
            out = "".join(itertools.takewhile(lambda line: "machine.online of db-1" not in line, process.stdout))
            children += _children(process)
            process.send_signal(signal.SIGTERM)
            rest, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 0, out + rest + err
    assert "machine.offline of db-1" in out
    assert "✗" not in out + rest
    _, alive = psutil.wait_procs(children, timeout=60)  # a command that was just running ends by itself
    assert [child for child in alive if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
    assert list(tmp_path.iterdir()) == []


def _children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Once the server and some agents run."""

    def started() -> list[psutil.Process]:
        children = psutil.Process(process.pid).children(recursive=True)
        return children if sum("agent" in _words(child) for child in children) >= 2 else []

    return until(started, "agents are started", 60, every=0.2)


def _words(child: psutil.Process) -> list[str]:
    try:
        return child.cmdline()
    except psutil.Error:
        return []
