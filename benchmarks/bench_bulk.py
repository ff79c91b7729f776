"""Durable heartbeats in batches over HTTP by one process, against the store's own rate with the same rows and nobody in
front of it; and the routes for other systems' clients against our own."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from benchmarks.common import Figure, arguments, fsync_ms, lastseen, machine, report, serving, workspace
from benchmarks.fleet import fill
from benchmarks.wrk import GET, script, with_key, wrk
from lastseen.clock import SystemClock
from lastseen.model import Beat
from lastseen.storage import open_store

ROWS = 10_000
CLIENTS = 4

METRICS = '"{\\"cpu_pct\\":12.5,\\"mem_used_pct\\":40.25,\\"disk_used_pct\\":78.5}"'
BODY = '"{\\"uptime_seconds\\":86400,\\"free_memory\\":1200000000.5}"'


def bodies(machines: int, slugs: bool) -> list[bytes]:
    """Batches that speak of each machine once, one after the other."""
    rows = [json.dumps({"machine": f"m{n}" if slugs else n + 1}, separators=(",", ":")) for n in range(machines)]
    return ["\n".join(rows[at : at + ROWS]).encode() for at in range(0, machines, ROWS)]


def post(url: str, key: str, mine: list[bytes], until: float, done: list[int]) -> None:
    address = urlsplit(url)
    line = http.client.HTTPConnection(address.hostname or "", address.port or 80)
    at = 0
    while time.perf_counter() < until:
        body = mine[at % len(mine)]
        at += 1
        line.request("POST", "/api/v1/heartbeats", body, {"X-API-Key": key})
        answer = json.loads(line.getresponse().read())
        if "accepted" not in answer:
            time.sleep(0.01)  # the queue is full
            continue
        done.append(answer["accepted"])


def bulk(url: str, key: str, batches: list[bytes], seconds: float) -> float:
    """Rows a second that were answered for."""
    done: list[int] = []
    began = time.perf_counter()
    threads = [
        threading.Thread(target=post, args=(url, key, batches[n::CLIENTS] or batches, began + seconds, done))
        for n in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - began)


async def bare(path: Path, machines: int, slugs: bool, seconds: float) -> float:
    """The same rows handed to the store in the same order, 5,000 a transaction."""
    clock, store, done = SystemClock(), open_store(f"sqlite:///{path}"), 0
    await store.open()  # type: ignore[attr-defined]
    began, at = clock.monotonic(), 0
    while clock.monotonic() - began < seconds:
        now = clock.now()
        chosen = range(at, min(at + 5_000, machines))
        at = (at + 5_000) % machines
        await store.record([Beat(f"m{n}" if slugs else n + 1, now) for n in chosen], now)
        done += len(chosen)
    rate = done / (clock.monotonic() - began)
    await store.close()  # type: ignore[attr-defined]
    return rate


def batches(folder: Path, machines: int, rounds: int, seconds: float) -> Iterator[Figure]:
    path = folder / "lastseen.db"
    fill(path, machines, SystemClock().now())
    key = json.loads(lastseen("keys", "add", "fleet", "--json", env={"LASTSEEN_DATA_DIR": str(folder)}))["key"]
    for slugs in (False, True):
        mine, base = [], []
        given = bodies(machines, slugs)
        for _ in range(rounds):
            with serving(folder, LASTSEEN_RATE_LIMIT="1000000/second") as (url, _, _):
                bulk(url, key, given, min(1.0, seconds))
                mine.append(bulk(url, key, given, seconds))
            base.append(anyio.run(bare, path, machines, slugs, seconds))
        what = "by slug" if slugs else "by id"
        wanted = ">= 150,000/s"
        yield Figure(f"rows of {ROWS:,} a request, {what}", "/s", mine, base, "the store alone", wanted)


def foreign(folder: Path, rounds: int, seconds: int, count: int) -> Iterator[Figure]:
    """Each route for other systems' clients, beside our own with the same connections."""
    env = {"LASTSEEN_DATA_DIR": str(folder)}
    lastseen("db", "upgrade", env=env)
    made = [json.loads(lastseen("machines", "add", f"m{n}", "--json", env=env)) for n in range(count)]
    with serving(folder, LASTSEEN_RATE_LIMIT="1000000/second") as (url, _, _):
        keys = [one["key"] for one in made]
        plain = script(folder, "own", with_key("/api/v1/heartbeat"), keys)
        bodied = script(folder, "bodied", with_key("/api/v1/heartbeat", BODY), keys)
        routes = [
            ("ping", script(folder, "ping", GET, [urlsplit(one["ping_url"]).path for one in made]), plain),
            ("push", script(folder, "push", GET, [urlsplit(one["push_url"]).path for one in made]), plain),
            ("agent", script(folder, "agent", with_key("/agent/metrics", METRICS), keys), bodied),
        ]
        wrk(url, plain, 64, 2)
        for name, theirs, ours in routes:
            mine, base = [], []
            for _ in range(rounds):
                for target, where in ((ours, base), (theirs, mine)):
                    rate, _, bad = wrk(url, target, 64, seconds)
                    if bad:
                        raise SystemExit(f"{name}: {bad} were not accepted")
                    where.append(rate)
            yield Figure(f"{name}, wrk -t1 -c64", "/s", mine, base, "our own route", ">= 0.60")


def main() -> None:
    short = arguments().short
    print(machine())
    figures = []
    with workspace() as folder:
        print(f"fdatasync {fsync_ms(folder):.2f} ms")
        figures += batches(folder, *((20_000, 1, 1.0) if short else (100_000, 5, 4.0)))
    with workspace() as folder:
        figures += foreign(folder, *((1, 2, 5) if short else (5, 5, 50)))
    report(figures)


if __name__ == "__main__":
    main()
