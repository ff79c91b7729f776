"""The command, killed at a point in the middle that a test names."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli
from tests.starting import start
from tests.support import until

STOPS = """
import importlib, os, signal, sys
from lastseen.cli.main import main

place, name, times = os.environ["STOP_AT"].split(":")
module = importlib.import_module(place)
real, left = getattr(module, name), [int(times)]

def stopping(*given, **named):
    left[0] -= 1
    if left[0] < 0:
        open(os.environ["STOPPED"], "w").close()
        signal.pause()
    return real(*given, **named)

setattr(module, name, stopping)
main()
"""
"""The command, which stops when a function is called for the nth time, until it is killed."""


def killed_at(step: str, tmp_path: Path, cli: Cli, *arguments: str) -> None:
    """`step`: module, function and how many calls of it go through."""
    stopped = tmp_path / "stopped"
    env = {**cli.environment(), "STOP_AT": step, "STOPPED": str(stopped)}
    process = start(arguments, env, program=STOPS)
    until(lambda: stopped.exists() or process.poll() is not None, f"it gets to {step}")
    assert process.poll() is None, f"it ended before {step}"
    process.kill()
    process.wait()
