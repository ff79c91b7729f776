"""Two programs with a monitor each on one SQLite file."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import eventually


class Program:
    """One `tests.scenarios.library_process`."""

    def __init__(self, folder: Path, name: str, threshold: str, lease: str) -> None:
        self.out = folder / f"{name}.out"
        self.out.touch()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.scenarios.library_process",
                f"sqlite:///{folder / 'shared.db'}",
                str(self.out),
                threshold,
                lease,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self.until("ready")

    def until(self, word: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == word:
                return
        raise AssertionError(f"the program ended with {self.process.wait()}")

    def say(self, *words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.until("done")

    @property
    def told(self) -> list[tuple[str, ...]]:
        """(id, type, machine) of what it sent."""
        return [tuple(line.split()) for line in self.out.read_text().splitlines()]


@contextmanager
def two(folder: Path, threshold: str = "2s", lease: str = "30") -> Iterator[tuple[Program, Program]]:
    programs = [Program(folder, name, threshold, lease) for name in ("first", "second")]
    try:
        yield programs[0], programs[1]
    finally:
        for program in programs:
            program.process.kill()
            program.process.wait()


async def test_each_outage_is_told_once_whoever_heard_the_machine(tmp_path: Path) -> None:
    names = [f"m{n}" for n in range(40)]
    with two(tmp_path) as (first, second):
        first.say("beat", *names[:20])
        second.say("beat", *names[20:])
        await eventually(lambda: len(first.told + second.told) >= 40, timeout=30)
        second.say("beat", *names[:20])
        first.say("beat", *names[20:])
        await eventually(lambda: len(first.told + second.told) >= 80, timeout=30)
        told = first.told + second.told
    types = Counter((kind, machine) for _, kind, machine in told if machine in names)
    assert {count for (kind, _), count in types.items() if kind == "machine.online"} == {1}
    assert {machine for kind, machine in types if kind == "machine.offline"} == set(names)
    assert len({uid for uid, _, _ in told}) == len(told), "no id was sent twice"


async def test_a_sender_that_is_stopped_past_its_lease_loses_the_lane_and_its_late_result(tmp_path: Path) -> None:
    with two(tmp_path, threshold="1s", lease="2") as (first, second):
        first.say("slow", "600")
        second.say("slow", "0")
        first.say("beat", "pump")
        await eventually(lambda: first.told + second.told, timeout=30)
        holder, other = (first, second) if first.told else (second, first)
        if holder is second:  # it has the lane and is done; the next one must be stopped in its send
            second.say("slow", "600")
            first.say("slow", "0")
            first.say("beat", "lamp")
            await eventually(lambda: "lamp" in [machine for *_, machine in second.told], timeout=30)
        holder.process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        machine = holder.told[-1][2]
        await eventually(lambda: machine in [m for *_, m in other.told], timeout=30)
        assert time.monotonic() - stopped > 0.5, "the lease was respected"
        assert other.told[0][0] == holder.told[-1][0], "the same id"
        other.say("beat", machine)
        await eventually(lambda: ("machine.online", machine) in [t[1:] for t in other.told], timeout=30)
        holder.process.send_signal(signal.SIGCONT)
        await eventually(lambda: len(other.told) >= 2)
        assert [t[1] for t in holder.told if t[2] == machine] == ["machine.offline"], "it does not send again"
