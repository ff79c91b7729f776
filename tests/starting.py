"""A program on lastseen as a process of its own, started quickly: forked off one that has imported everything already.

Importing is most of what a command does, and the tests start hundreds. All that follows is as ever: its own process,
environment, output and signals. What people run is `python -m lastseen`; the tests of commands and of README start it
so, and so do those that put another program in front, or change how Python itself starts.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

LASTSEEN = "from lastseen.cli import main; main()"

OF_A_START = ("PYTHON", "LD_")
"""Variables that are read as a program starts."""

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.imported"])


class Started:
    """What `subprocess.Popen` is to its caller, as far as the tests go."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.pid: int = process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Passed:
    """An open file on its way to the new process."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __getstate__(self) -> Any:
        return DupFd(self.descriptor)

    def __setstate__(self, passed: Any) -> None:
        self.descriptor = passed.detach()


def start(
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    given: IO[Any] | None = None,
    output: IO[Any] | None = None,
    errors: IO[Any] | None = None,
    program: str = LASTSEEN,
) -> Started | subprocess.Popen[Any]:
    """`lastseen` with these words, or another program's text. `given`, `output` and `errors`: open files, else those
    of the tests."""
    if any(environment.get(name) != os.environ.get(name) for name in environment if name.startswith(OF_A_START)):
        command = [sys.executable, "-c", program, *words]
        return subprocess.Popen(command, env=environment, stdin=given, stdout=output, stderr=errors)
    files = {
        number: _Passed(number if file is None else file.fileno())
        for number, file in enumerate((given, output, errors))
    }
    process = _CONTEXT.Process(
        target=_run, args=(program, list(words), dict(environment), str(Path.cwd()), files), daemon=True
    )
    process.start()
    return Started(process)


class Piped:
    """`lastseen` with these words, to be talked with: what `subprocess.Popen` with pipes is, as far as the tests go.
    `listens`: it will be given something to read."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], *, listens: bool = False) -> None:
        ends = [os.pipe() for _ in range(3)]
        given, self.stdin = open(ends[0][0], "rb"), open(ends[0][1], "wb")  # noqa: PTH123, SIM115
        self.stdout: IO[bytes] | None = open(ends[1][0], "rb")  # noqa: PTH123, SIM115
        self.stderr = open(ends[2][0], "rb")  # noqa: PTH123, SIM115
        with given, open(ends[1][1], "wb") as output, open(ends[2][1], "wb") as errors:  # noqa: PTH123
            self._process = start(words, environment, given=given, output=output, errors=errors)
        self.pid, self.send_signal, self.kill = self._process.pid, self._process.send_signal, self._process.kill
        if not listens:
            self.stdin.close()

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def communicate(self, words: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:
        """All that it wrote, until it ended."""
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(each.read) if each else None for each in (self.stdout, self.stderr)]
            with suppress(BrokenPipeError):
                if words:
                    self.stdin.write(words)
                self.stdin.close()
            out, err = (each.result(timeout) if each else b"" for each in both)
        self._process.wait(timeout)
        return out, err

    def __enter__(self) -> Piped:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self.stdin, self.stdout, self.stderr):
            if each is not None:
                each.close()
        self._process.wait(60)


def finished(
    words: Sequence[str], environment: Mapping[str, str], timeout: float = 300, *, program: str = LASTSEEN
) -> tuple[int, str, str]:
    """`lastseen` with these words, or another program, to its end: how it ended, and what it wrote to output and
    errors."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        code = start(words, environment, output=output, errors=errors, program=program).wait(timeout)
        output.seek(0)
        errors.seek(0)
        return code, output.read(), errors.read()


def _run(program: str, words: list[str], environment: dict[str, str], folder: str, files: dict[int, _Passed]) -> None:
    """In the new process."""
    for number, passed in files.items():
        os.dup2(passed.descriptor, number)
    for passed in files.values():
        os.close(passed.descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["lastseen", *words]
    exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
