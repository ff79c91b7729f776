"""No process outlives the tests that started it, not even where those are killed.

What a run of the tests starts inherits a mark in its environment. A small process beside the run waits until that is
gone, however it went, gives the workers of pytest-xdist the time to stop what is theirs, and then ends all that still
has the mark.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import psutil

MARK = "RUN_OF_LASTSEENS_TESTS"
"""Not LASTSEEN_…: many tests take those away from what they start."""

WORKER = "exec(eval(sys.stdin.readline()))"
"""How a worker of pytest-xdist is started."""

GRACE = 30.0
"""Seconds that workers have to end by themselves: pytest-xdist gives them 15."""


def end_with(environ: os._Environ[str] = os.environ) -> subprocess.Popen[bytes] | None:
    """Mark what this process will start, so that it ends with this process; None: it is itself part of a run."""
    if MARK in environ:
        return None
    environ[MARK] = uuid.uuid4().hex
    command = [sys.executable, __file__, environ[MARK]]
    # its input ends when this process does: nobody else has the other end
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, cwd="/")


def marked(run: str) -> Iterator[psutil.Process]:
    """The processes of a run, but this one."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == run:
                yield process
        except psutil.Error:
            continue  # gone meanwhile, or somebody else's


def is_worker(process: psutil.Process) -> bool:
    try:
        return WORKER in " ".join(process.cmdline())
    except psutil.Error:
        return False


def watch(run: str) -> None:
    sys.stdin.read()
    psutil.wait_procs([process for process in marked(run) if is_worker(process)], timeout=GRACE)
    while left := list(marked(run)):  # again: one of them may just have started another
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1)


if __name__ == "__main__":
    watch(sys.argv[1])
