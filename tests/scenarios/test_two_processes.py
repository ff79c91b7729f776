"""Two programs with a monitor each on one SQLite file."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.scenarios.harness import rows
from tests.support import eventually


class Program:
    """One `tests.scenarios.library_process`."""

    def __init__(self, folder: Path, name: str, threshold: str, lease: str) -> None:
        self.out = folder / f"{name}.out"
        self.out.touch()
        self.log = (folder / f"{name}.log").open("w")
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
            stderr=self.log,
            text=True,
            bufsize=1,
        )
        self.until("ready")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            assert stream is not None
            stream.close()

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
            program.end()


async def test_each_outage_is_told_once_whoever_heard_the_machine(tmp_path: Path) -> None:
    names = [f"m{n}" for n in range(40)]
    with two(tmp_path) as (first, second):
        first.say("beat", *names[:20])
        second.say("beat", *names[20:])
        await eventually(lambda: len(first.told + second.told) >= 40)
        second.say("beat", *names[:20])
        first.say("beat", *names[20:])
        await eventually(lambda: len(first.told + second.told) >= 80)
        told = first.told + second.told
    types = Counter((kind, machine) for _, kind, machine in told if machine in names)
    assert {count for (kind, _), count in types.items() if kind == "machine.online"} == {1}
    assert {machine for kind, machine in types if kind == "machine.offline"} == set(names)
    assert len({uid for uid, _, _ in told}) == len(told), "no id was sent twice"


async def test_a_machine_that_only_a_program_has_heard_that_died_is_missed_by_the_other(tmp_path: Path) -> None:
    with two(tmp_path) as (first, second):
        second.say("beat", "pump")
        second.process.kill()
        await eventually(lambda: [(kind, slug) for _, kind, slug in first.told] == [("machine.offline", "pump")])


def stop_outside_of_a_transaction(program: Program, path: Path) -> None:
    """One that is stopped while it writes holds SQLite's only write lock: then nobody can do anything."""
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    program.process.send_signal(signal.SIGSTOP)
    db.execute("ROLLBACK")
    db.close()


BETWEEN_TWO_SENDS = "SELECT (max(julianday(started_at)) - min(julianday(started_at))) * 86400 FROM delivery_attempts"
"""In seconds."""


async def test_a_sender_that_is_stopped_past_its_lease_loses_the_lane_and_its_late_result(tmp_path: Path) -> None:
    with two(tmp_path, threshold="1s", lease="2") as (first, second):
        first.say("hang")
        second.say("hang")
        first.say("beat", "pump")
        await eventually(lambda: first.told + second.told)
        holder, other = (first, second) if first.told else (second, first)
        other.say("go", "on")
        stop_outside_of_a_transaction(holder, tmp_path / "shared.db")
        await eventually(lambda: other.told)
        ((between,),) = rows(tmp_path / "shared.db", BETWEEN_TWO_SENDS)
        assert between >= 1, "the lease was respected: more than half of its two seconds was left"
        assert other.told == holder.told, "the same message under the same id"
        other.say("beat", "pump")
        await eventually(lambda: "machine.online" in [kind for _, kind, _ in other.told])
        holder.process.send_signal(signal.SIGCONT)
        await eventually(lambda: len(other.told) >= 3)  # silent again
        assert [kind for _, kind, _ in holder.told] == ["machine.offline"], "it does not send again"
