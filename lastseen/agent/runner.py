"""`lastseen run`: a job as it would run without us, and what is told of it.

The job has our standard input, its output goes where ours goes, signals are handed on, and its exit code is ours. No
server can stop it, hold it up for more than a few seconds or change its exit code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import AsyncIterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import anyio
import anyio.to_thread

from lastseen.agent.output import Tee, text
from lastseen.agent.telling import Ending, Line, Story
from lastseen.clock import Clock, SystemClock
from lastseen.durations import spell
from lastseen.log import get_logger

log = get_logger()

TIMED_OUT, NOT_EXECUTABLE, NOT_FOUND = 124, 126, 127
"""Exit codes as `timeout` and shells have them."""

PATIENCE = 10.0
"""Seconds from SIGTERM to SIGKILL for a job that took too long."""

_TO_ALL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_TO_IT = (signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True, slots=True)
class Job:
    """What to run. `timeout` and `retry_for` in seconds. `keep_output`: read its output and tell the end of it."""

    command: Sequence[str]
    timeout: float | None = None
    retry_for: float = 60.0
    keep_output: bool = True


class _Running:
    """A started process in a group of its own."""

    def __init__(self, job: Job) -> None:
        pipe = subprocess.PIPE if job.keep_output else None
        self._process = subprocess.Popen(  # noqa: S603 - running what it is told is its very job
            list(job.command), stdout=pipe, stderr=pipe, start_new_session=True, restore_signals=True
        )
        self._tee = Tee(_routes(self._process)) if job.keep_output else None
        self.overdue = False

    def send(self, number: int, group: bool = True) -> None:
        """To all that it started and that is still in its group; nothing when it is gone."""
        with suppress(ProcessLookupError, PermissionError):
            if self._process.returncode is not None:
                return
            if group:
                os.killpg(self._process.pid, number)
            else:
                os.kill(self._process.pid, number)

    async def ended(self) -> int:
        """Its exit code as a shell tells it."""
        code = await anyio.to_thread.run_sync(self._process.wait)
        if self.overdue:  # what it left behind took too long as well
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        return TIMED_OUT if self.overdue else 128 - code if code < 0 else code

    async def output(self) -> str:
        return "" if self._tee is None else await anyio.to_thread.run_sync(self._tee.finish)


def _routes(process: subprocess.Popen[bytes]) -> dict[int, int]:
    """Descriptors of our own to read from: closing the file objects must not close them twice."""
    routes = {}
    for stream, target in ((process.stdout, 1), (process.stderr, 2)):
        if stream is not None:
            routes[os.dup(stream.fileno())] = target
            stream.close()
    return routes


async def run(job: Job, line: Line | None, clock: Clock | None = None) -> int:
    """Run it and tell of it by `line` (None: tell nobody); the exit code for our own process."""
    clock = clock or SystemClock()
    story = None if line is None else Story(line, str(uuid.uuid4()), clock, job.retry_for)
    with anyio.open_signal_receiver(*_heeded()) as signals:
        ending = await _run(job, story, clock, signals)
        if story is not None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_stop_at_signal, signals, tasks.cancel_scope)
                await story.tell_end(ending)
                tasks.cancel_scope.cancel()
    return ending.code


def _heeded() -> list[signal.Signals]:
    """Those that we were not started to ignore, as `nohup` does: then the job ignores them too."""
    return [number for number in (*_TO_ALL, *_TO_IT) if signal.getsignal(number) is not signal.SIG_IGN]


async def _run(job: Job, story: Story | None, clock: Clock, signals: AsyncIterable[signal.Signals]) -> Ending:
    began = clock.monotonic()
    try:
        running = _Running(job)
    except OSError as error:
        log.error("run_not_started", command=job.command[0], error=error.strerror)
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        return Ending(code, 0.0, text(f"{job.command[0]}: {error.strerror}".encode(errors="replace")))
    async with anyio.create_task_group() as beside:
        beside.start_soon(_hand_on, signals, running)
        if story is not None:
            beside.start_soon(story.tell_start)
        if job.timeout is not None:
            beside.start_soon(_limit, job.timeout, running, clock)
        code = await running.ended()
        seconds = clock.monotonic() - began
        output = await running.output()
        if story is not None:
            await story.start_told()
        beside.cancel_scope.cancel()
    if running.overdue and job.timeout is not None:
        output = text(
            f"{output.rstrip()}\nstopped: it took longer than {spell(timedelta(seconds=job.timeout))}".encode()
        )
    return Ending(code, seconds, output)


async def _hand_on(signals: AsyncIterable[signal.Signals], running: _Running) -> None:
    async for number in signals:
        running.send(number, group=number in _TO_ALL)


async def _limit(timeout: float, running: _Running, clock: Clock) -> None:
    """Ask it to end, then make it."""
    await clock.sleep(timeout)
    running.overdue = True
    log.warning("run_timed_out", seconds=timeout)
    running.send(signal.SIGTERM)
    await clock.sleep(PATIENCE)
    running.send(signal.SIGKILL)


async def _stop_at_signal(signals: AsyncIterable[signal.Signals], scope: anyio.CancelScope) -> None:
    """The job is over: who wants us to stop now is not made to wait for the server."""
    async for number in signals:
        if number in _TO_ALL:
            scope.cancel()
            return
