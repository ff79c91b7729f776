"""`lastseen serve` with 100,000 machines: memory, idle CPU, start, loop lag while 1,000 machines change, and a
command's write beside a full recorder; against an empty FastAPI application under the same uvicorn."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import anyio
import psutil

from benchmarks.common import (
    Figure,
    arguments,
    free_port,
    lastseen,
    machine,
    ready,
    report,
    serving,
    wait_for,
    workspace,
)
from benchmarks.fleet import fill, text
from lastseen.clock import SystemClock
from lastseen.model import Beat
from lastseen.storage import open_store

EMPTY = """
import sys, fastapi, uvicorn
app = fastapi.FastAPI()
@app.get("/readyz")
def ok(): return {}
uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
"""


def resident(process: subprocess.Popen[bytes]) -> float:
    return float(psutil.Process(process.pid).memory_info().rss) / 2**20


def idle_cpu(process: subprocess.Popen[bytes], seconds: float) -> float:
    """Per cent of one core, of all its threads. From the scheduler's nanoseconds: the hundredths of a second that a
    process is charged with elsewhere are a tenth of what is asked for here."""

    def nanoseconds() -> dict[str, int]:
        tasks = Path(f"/proc/{process.pid}/task")
        return {task.name: int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()}

    before, began = nanoseconds(), time.perf_counter()
    time.sleep(seconds)
    after = nanoseconds()
    return sum(after[task] - before.get(task, 0) for task in after) / (time.perf_counter() - began) / 1e7


def empty(seconds: float) -> tuple[float, float, float]:
    port, began = free_port(), time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", EMPTY, str(port)])
    try:
        wait_for(lambda: ready(port), process)
        started = time.perf_counter() - began
        return started, resident(process), idle_cpu(process, seconds)
    finally:
        process.terminate()
        process.wait(10)


def beside_full_recorder(folder: Path, rounds: int) -> list[float]:
    """Milliseconds that `machines set` takes while another process records as fast as it can; its start included."""
    program = f"import benchmarks.bench_serve as b; b.record_for_ever({str(folder / 'lastseen.db')!r})"
    recorder = subprocess.Popen([sys.executable, "-c", program])
    env = {"LASTSEEN_DATA_DIR": str(folder)}
    times = []
    try:
        time.sleep(2)
        for number in range(rounds):
            began = time.perf_counter()
            lastseen("machines", "set", "m1", "--description", f"round {number}", env=env)
            times.append((time.perf_counter() - began) * 1000)
    finally:
        recorder.kill()
        recorder.wait()
    return times


def record_for_ever(path: str) -> None:
    async def run() -> None:
        clock, store = SystemClock(), open_store(f"sqlite:///{path}")
        await store.open()  # type: ignore[attr-defined]
        while True:
            now = clock.now()
            await store.record([Beat(n, now) for n in range(1, 1001)], now)

    anyio.run(run)


def alone(folder: Path, rounds: int) -> list[float]:
    env = {"LASTSEEN_DATA_DIR": str(folder)}
    times = []
    for number in range(rounds):
        began = time.perf_counter()
        lastseen("machines", "set", "m1", "--description", f"alone {number}", env=env)
        times.append((time.perf_counter() - began) * 1000)
    return times


def loop_lag(url: str, seconds: float) -> list[float]:
    """Milliseconds that `/healthz` takes, asked without pause: what a busy loop lets wait."""
    import httpx

    times, until = [], time.perf_counter() + seconds
    with httpx.Client() as client:
        while time.perf_counter() < until:
            began = time.perf_counter()
            client.get(f"{url}/healthz")
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(0.002)
    return times


def fall_silent(folder: Path, count: int) -> None:
    import sqlite3

    past = SystemClock().now() - timedelta(hours=9)
    with sqlite3.connect(folder / "lastseen.db", timeout=30) as db:
        db.execute(
            "UPDATE liveness SET status = 'online', last_seen = ?, watch_from = ?, check_at = ? WHERE machine_id <= ?",
            (text(past), text(past), text(past + timedelta(hours=1)), count),
        )
    db.close()


def main() -> None:
    short = arguments().short
    count, rounds, seconds = (1000, 1, 2.0) if short else (100_000, 3, 20.0)
    start, memory, cpu, base_start, base_memory, base_cpu, lag, quiet = [], [], [], [], [], [], [], []
    with workspace() as folder:
        fill(folder / "lastseen.db", count, SystemClock().now(), timedelta(days=1))
        for _ in range(rounds):
            began = time.perf_counter()
            with serving(folder) as (url, process, _):
                start.append(time.perf_counter() - began)
                time.sleep(1 if short else 5)
                cpu.append(idle_cpu(process, seconds))
                memory.append(resident(process))
                quiet.append(max(loop_lag(url, 2)))
                change = threading.Timer(0.5, fall_silent, (folder, 1000))
                change.start()
                lag.append(max(loop_lag(url, 35 if not short else 3)))
                change.join()
            for values, value in zip((base_start, base_memory, base_cpu), empty(seconds), strict=True):
                values.append(value)
        beside, before = beside_full_recorder(folder, 10 if not short else 2), alone(folder, 10 if not short else 2)
    print(f"{machine()}; {count:,} machines")
    report(
        [
            Figure("start to ready", "s", start, base_start, "empty FastAPI", "<= 1.5 s"),
            Figure("resident", "MiB", memory, base_memory, "empty FastAPI", "<= 150 MB"),
            Figure("idle CPU", "% of a core", cpu, base_cpu, "empty FastAPI", "<= 0.5 %"),
            Figure("longest answer while 1,000 change", "ms", lag, quiet, "while nothing does", "<= 100 ms"),
            Figure("a command's write beside a full recorder", "ms", beside, before, "alone", "<= 2 s"),
        ]
    )


if __name__ == "__main__":
    main()
