"""Durable heartbeats over HTTP by one process, against an empty handler on the same server, with wrk."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.common import (
    Figure,
    arguments,
    free_port,
    fsync_ms,
    lastseen,
    listens,
    machine,
    report,
    serving,
    wait_for,
    workspace,
)
from benchmarks.wrk import script, with_key, wrk


@contextlib.contextmanager
def bare() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", str(port)])
    try:
        wait_for(lambda: listens(port), process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def declare(env: dict[str, str], count: int) -> list[str]:
    return [json.loads(lastseen("machines", "add", f"m{n}", "--json", env=env))["key"] for n in range(count)]


def main() -> None:
    short = arguments().short
    rounds, seconds = (1, 2) if short else (5, 6)
    with workspace() as folder:
        env = {"LASTSEEN_DATA_DIR": str(folder)}
        lastseen("db", "upgrade", env=env)
        beats = script(folder, "wrk", with_key("/api/v1/heartbeat"), declare(env, 5 if short else 50))
        print(f"{machine()}; fdatasync {fsync_ms(folder):.2f} ms")
        figures = []
        with serving(folder, LASTSEEN_RATE_LIMIT="1000000/second") as (ours, _, _), bare() as base:
            wrk(ours, beats, 64, 2)
            for connections in (64, 256):
                mine, empty, mine99, empty99 = [], [], [], []
                for _ in range(rounds):
                    rate, p99, bad = wrk(ours, beats, connections, seconds)
                    if bad:
                        raise SystemExit(f"{bad} heartbeats were not accepted")
                    mine.append(rate)
                    mine99.append(p99)
                    rate, p99, _ = wrk(base, beats, connections, seconds)
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
