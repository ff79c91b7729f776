"""Durable heartbeats over HTTP by one process, against an empty handler on the same server, with wrk."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import (
    Figure,
    arguments,
    free_port,
    fsync_ms,
    lastseen,
    machine,
    ready,
    report,
    serving,
    wait_for,
    workspace,
)

MACHINES = 500

SCRIPT = """
local keys = {}
for line in io.lines("%s") do keys[#keys + 1] = line end
local n = 0
request = function()
  n = n %% #keys + 1
  return wrk.format("POST", "/api/v1/heartbeat", {["Authorization"] = "Bearer " .. keys[n]}, nil)
end
"""


@contextlib.contextmanager
def bare() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", str(port)])
    try:
        time.sleep(1)
        wait_for(lambda: not ready(port) and process.poll() is None, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wrk(url: str, script: Path, connections: int, seconds: int) -> tuple[float, float, int]:
    """Requests a second, p99 in ms, and how many answers were not 2xx."""
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])  # type: ignore[index]
    p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()  # type: ignore[union-attr]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return rate, float(p99) * {"us": 0.001, "ms": 1, "s": 1000}[unit], int(bad[1]) if bad else 0


def declare(env: dict[str, str], count: int) -> list[str]:
    return [json.loads(lastseen("machines", "add", f"m{n}", "--json", env=env))["key"] for n in range(count)]


def main() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    short = arguments().short
    rounds, seconds = (1, 2) if short else (5, 6)
    with workspace() as folder:
        env = {"LASTSEEN_DATA_DIR": str(folder)}
        lastseen("db", "upgrade", env=env)
        keys = folder / "keys.txt"
        keys.write_text("\n".join(declare(env, 5 if short else 50)) + "\n")
        script = folder / "wrk.lua"
        script.write_text(SCRIPT % keys)
        print(f"{machine()}; fdatasync {fsync_ms(folder):.2f} ms")
        figures = []
        with serving(folder, LASTSEEN_RATE_LIMIT="1000000/second") as (ours, _, _), bare() as base:
            wrk(ours, script, 64, 2)
            for connections in (64, 256):
                mine, empty, mine99, empty99 = [], [], [], []
                for _ in range(rounds):
                    rate, p99, bad = wrk(ours, script, connections, seconds)
                    if bad:
                        raise SystemExit(f"{bad} heartbeats were not accepted")
                    mine.append(rate)
                    mine99.append(p99)
                    rate, p99, _ = wrk(base, script, connections, seconds)
                    empty.append(rate)
                    empty99.append(p99)
                wanted = ">= 0.60 of the empty handler"
                figures.append(
                    Figure(f"durable heartbeats, wrk -t1 -c{connections}", "/s", mine, empty, "empty handler", wanted)
                )
                wanted = "<= 20 ms" if connections == 64 else ""
                figures.append(Figure(f"p99 at -c{connections}", "ms", mine99, empty99, "empty handler", wanted))
        report(figures)


if __name__ == "__main__":
    main()
