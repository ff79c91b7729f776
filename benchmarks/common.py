"""What the benchmarks share: the machine, the disk, medians, and a table to print."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx


@dataclass
class Figure:
    """One measured figure: the median of several rounds, beside the baseline of the same rounds."""

    name: str
    unit: str
    ours: list[float]
    baseline: list[float]
    baseline_is: str
    wanted: str = ""

    def row(self) -> str:
        ours, base = statistics.median(self.ours), statistics.median(self.baseline) if self.baseline else None
        ratios = [a / b for a, b in zip(self.ours, self.baseline, strict=False) if b]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else "–"
        spread = f"{shown(min(self.ours))}–{shown(max(self.ours))}"
        beside = "–" if base is None else f"{shown(base)} ({self.baseline_is})"
        return f"| {self.name} | {shown(ours)} {self.unit} | {spread} | {beside} | {ratio} | {self.wanted or '–'} |"


def shown(value: float) -> str:
    """With four digits that count."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


HEAD = "| figure | median | spread | baseline | ratio (spread) | wanted |\n|---|---|---|---|---|---|"


def report(figures: Sequence[Figure]) -> None:
    """Print the table, and as JSON too where asked for (`--json FILE`)."""
    print(HEAD)
    for figure in figures:
        print(figure.row(), flush=True)
    target = arguments().json
    if target:
        Path(target).write_text(json.dumps([asdict(figure) for figure in figures], indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="a form that takes seconds: shows that it runs")
    parser.add_argument("--json", help="write the figures to this file too")
    return parser.parse_args()


def machine() -> str:
    """What this was measured on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return f"{os.cpu_count()} × {cpu}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def fsync_ms(folder: Path, rounds: int = 200) -> float:
    """The median of a 4 KiB write and fdatasync, in milliseconds."""
    times = []
    with (folder / "fsync.tmp").open("wb", buffering=0) as file:
        for _ in range(rounds):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    (folder / "fsync.tmp").unlink()
    return statistics.median(times)


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A folder on a real disk: a temporary folder may be in memory, where fsync costs nothing."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        yield Path(folder)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def lastseen(*args: str, env: dict[str, str], check: bool = True) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lastseen", *args], env={**os.environ, **env}, capture_output=True, text=True
    )
    if check and done.returncode:
        raise SystemExit(f"lastseen {' '.join(args)}: {done.stderr}")
    return done.stdout


@contextlib.contextmanager
def serving(folder: Path, **settings: str) -> Iterator[tuple[str, subprocess.Popen[bytes], dict[str, str]]]:
    """A real `lastseen serve` over a file in `folder`: its address, its process, its environment."""
    port = free_port()
    env = {"LASTSEEN_DATA_DIR": str(folder), "LASTSEEN_LOG_FORMAT": "json", **settings}
    log = (folder / "serve.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "lastseen", "serve", "--port", str(port)],
        env={**os.environ, **env},
        stdout=log,
        stderr=log,
    )
    try:
        wait_for(lambda: ready(port), process)
        yield f"http://127.0.0.1:{port}", process, env
    finally:
        process.terminate()
        process.wait(20)


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def wait_for(check: Callable[[], bool], process: subprocess.Popen[bytes] | None = None, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        if process is not None and process.poll() is not None:
            raise SystemExit(f"the process ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise SystemExit("waited too long")
        time.sleep(0.02)
