"""1,000,000 machines in PostgreSQL with fsync: a sweep, what a machine takes, and one node beside two.

On a computer that does other work too, time that passes says little: so the processor's time (the node's, and that of
all the server's processes) and the pages that a statement reads stand beside it.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import psutil
import psycopg

from benchmarks.bench_bulk import bodies
from benchmarks.bench_postgres import filled, fleet, heap_only
from benchmarks.common import Figure, arguments, fsync_ms, lastseen, machine, report, serving, workspace
from benchmarks.postgres_node import RULES, Node
from lastseen.clock import SystemClock
from lastseen.monitor.decide import decide
from lastseen.storage import open_store
from tests.servers.postgres import PostgresServer

PARTS = Path(__file__).parent.parent / "deploy" / "postgres" / "partition-liveness.sql"

SILENT = 1000
IDLE = 10
"""Looks at nothing in a round."""

KEY = "bGFzdHNlZW4gYmVuY2htYXJrcyBuZWVkIGEga2V5IDEyMzQ="
BATCH = 1000

NEXT = "SELECT check_at FROM liveness WHERE check_at IS NOT NULL ORDER BY check_at LIMIT 1"
DUE = (
    "SELECT machine_id FROM liveness WHERE check_at <= now() ORDER BY check_at, machine_id LIMIT 500"
    " FOR NO KEY UPDATE SKIP LOCKED"
)
ALL = "SELECT m.id, m.name, l.status, l.last_seen FROM machines m JOIN liveness l ON l.machine_id = m.id"
_SILENCE = (
    "UPDATE liveness SET last_seen = now() - interval '2 days', watch_from = now() - interval '2 days',"
    " check_at = now() - interval '1 day' WHERE machine_id BETWEEN %s AND %s"
)
_LOOK = "UPDATE liveness SET last_seen = now(), check_at = now() WHERE machine_id BETWEEN %s AND %s"
_SIZES = (
    "SELECT pg_table_size('liveness'), pg_indexes_size('liveness'), pg_table_size('machines'),"
    " pg_indexes_size('machines')"
)


def server_cpu(server: PostgresServer) -> float:
    """Seconds of the processor that all of the server's processes have used, those that ended among them."""
    parent = psutil.Process(int((server.folder / "postmaster.pid").read_text().split()[0]))
    own = parent.cpu_times()
    used = own.user + own.system + own.children_user + own.children_system
    for child in parent.children():
        try:
            used += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:  # it ended meanwhile: the next reading has it
            continue
    return used


def pages(url: str, statement: str) -> int:
    """Pages that a statement reads, from memory or not."""
    with psycopg.connect(url, autocommit=True) as connection:
        asked = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        row = connection.execute(asked.encode()).fetchone()
    plan: dict[str, Any] = row[0][0]["Plan"] if row else {}
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def execute(url: str, statement: str, *values: object) -> float:
    """Milliseconds that it took, the rows among it."""
    with psycopg.connect(url, autocommit=True) as connection:
        began = time.perf_counter()
        cursor = connection.execute(statement.encode(), values or None)
        if cursor.description:
            cursor.fetchall()
        return (time.perf_counter() - began) * 1000


def wal(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
    return int(row[0]) if row else 0


# --- the sweep --------------------------------------------------------------------------------------------------------


class Looks:
    """What a sweep takes: `idle`, `silent`, `next` in milliseconds, and the processor's µs by side for each machine
    that was found silent, and each that was heard meanwhile."""

    def __init__(self) -> None:
        self.idle: list[float] = []
        self.next: list[float] = []
        self.silent: list[float] = []
        self.everything: list[float] = []
        self.alert: list[tuple[float, float]] = []
        self.look: list[tuple[float, float]] = []


async def sweeps(server: PostgresServer, url: str, rounds: int, count: int) -> Looks:
    clock, looks = SystemClock(), Looks()
    store = open_store(url, migrate="check")
    await store.open()  # type: ignore[attr-defined]
    await store.code_channel("ops", "channel:ops", clock.now())  # type: ignore[attr-defined]

    async def settled(wanted: int) -> tuple[float, float, float]:
        """Settle until nothing is due. Milliseconds, and the processor's µs for each, ours and the server's."""
        its, found = server_cpu(server), 0
        began, mine = time.perf_counter(), time.process_time()
        while (due := await store.next_check()) is not None and due <= clock.now():
            found += len(await store.settle(lambda case: decide(case, RULES), clock.now()))
        took = (time.perf_counter() - began) * 1000
        if found != wanted:
            raise SystemExit(f"{found} of {wanted} were found silent")
        each = 1e6 / count
        return took, (time.process_time() - mine) * each, (server_cpu(server) - its) * each

    for number in range(rounds):
        for _ in range(IDLE):
            began = time.perf_counter()
            await store.settle(lambda case: decide(case, RULES), clock.now())
            looks.idle.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            await store.next_check()
            looks.next.append((time.perf_counter() - began) * 1000)
        span = (number * count + 1, (number + 1) * count)
        for prepare, wanted, where in ((_LOOK, 0, looks.look), (_SILENCE, count, looks.alert)):
            await anyio.to_thread.run_sync(execute, url, prepare, *span)
            took, mine, its = await settled(wanted)
            where.append((mine, its))
        looks.silent.append(took)
        looks.everything.append(await anyio.to_thread.run_sync(execute, url, ALL))
    await store.close()  # type: ignore[attr-defined]
    return looks


def swept(server: PostgresServer, url: str, rounds: int, count: int) -> list[Figure]:
    looks = anyio.run(sweeps, server, url, rounds, count)
    often = [took for took in looks.everything for _ in range(IDLE)]
    figures = [
        Figure("sweep, nothing due", "ms", looks.idle, often, "listing all", "<= 2 ms"),
        Figure("the smallest check_at", "ms", looks.next, often, "listing all", ""),
        Figure(f"sweep, {count:,} newly silent, committed", "ms", looks.silent, looks.everything, "listing all", ""),
    ]
    for what, pairs in (("found silent", looks.alert), ("looked at, heard meanwhile", looks.look)):
        for side, whose in enumerate(("node", "server")):
            name = f"processor for a machine {what}, {whose}"
            figures.append(Figure(name, "µs", [pair[side] for pair in pairs], [], "", ""))
    return figures


# --- what a machine takes ---------------------------------------------------------------------------------------------


def tell_all(address: str, key: str, machines: int) -> None:
    """A heartbeat of each, in batches."""
    parts = urlsplit(address)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=120)) as line:
        for body in bodies(machines, slugs=True):
            while True:
                line.request("POST", "/api/v1/heartbeats", body, {"X-API-Key": key})
                if "accepted" in json.loads(line.getresponse().read()):
                    break
                time.sleep(0.05)


def resident(url: str, machines: int) -> int:
    """Bytes of `lastseen serve` after each machine was heard once by its slug."""
    settings = {"LASTSEEN_DATABASE_URL": url, "LASTSEEN_SECRET_KEY": KEY, "LASTSEEN_RATE_LIMIT": "1000000/second"}
    with workspace() as folder:
        env = {**settings, "LASTSEEN_DATA_DIR": str(folder)}
        key = json.loads(lastseen("keys", "add", "fleet", "--json", env=env))["key"]
        with serving(folder, **settings) as (address, process, _):
            tell_all(address, key, machines)
            return int(psutil.Process(process.pid).memory_info().rss)


def on_disk(url: str, machines: int) -> dict[str, float]:
    """Bytes a machine, of liveness and of machines with their indexes."""
    with psycopg.connect(url) as connection:
        row = connection.execute(_SIZES).fetchone()
    assert row is not None
    names = ("liveness", "its indexes", "machines", "their indexes")
    return {name: size / machines for name, size in zip(names, row, strict=True)}


def said(sizes: dict[str, float]) -> str:
    return ", ".join(f"{name} {size:.0f}" for name, size in sizes.items()) + f"; all {sum(sizes.values()):.0f}"


# --- nodes ------------------------------------------------------------------------------------------------------------


class Shares:
    """What heartbeats took by round: each value is for one heartbeat."""

    def __init__(self) -> None:
        self.node: list[float] = []
        self.server: list[float] = []
        self.wal: list[float] = []
        self.rate: list[float] = []
        self.done = 0

    @property
    def both(self) -> list[float]:
        return [a + b for a, b in zip(self.node, self.server, strict=True)]


def run(server: PostgresServer, url: str, nodes: list[Node], seconds: float, into: Shares) -> None:
    used, written = server_cpu(server), wal(url)
    for node in nodes:
        node.go(seconds)
    costs = [node.cost() for node in nodes]
    done = sum(cost.done for cost in costs)
    into.node.append(sum(cost.cpu for cost in costs) / done * 1e6)
    into.server.append((server_cpu(server) - used) / done * 1e6)
    into.wal.append((wal(url) - written) / done)
    into.rate.append(sum(cost.done / cost.wall for cost in costs))
    into.done += done


def together(server: PostgresServer, url: str, machines: int, rounds: int, seconds: float) -> list[Figure]:
    """One node with all machines, and two with half of them each, in turns."""
    alone, two = Shares(), Shares()
    single, pair = Node(url, 1, 1, machines, BATCH), [Node(url, first, 2, machines, BATCH) for first in (1, 2)]
    for _ in range(rounds):
        run(server, url, [single], seconds, alone)
        run(server, url, pair, seconds, two)
    for node in (single, *pair):
        node.end()
    return [
        Figure("processor for a heartbeat, two nodes", "µs", two.both, alone.both, "one node", "<= 1.20"),
        Figure("… of it the nodes'", "µs", two.node, alone.node, "one node", ""),
        Figure("… of it the server's", "µs", two.server, alone.server, "one node", ""),
        Figure("… written to the WAL, bytes", "", two.wal, alone.wal, "one node", ""),
        Figure("heartbeats stored, two nodes", "/s", two.rate, alone.rate, "one node", ""),
    ]


def hour(url: str, machines: int, beats: int) -> None:
    """So many heartbeats of each machine."""
    node = Node(url, 1, 1, machines, 5000)
    left = machines * beats
    while left > 0:
        node.go(1.0)
        left -= node.cost().done
    node.end()


def in_parts(server: PostgresServer, url: str, machines: int, rounds: int, seconds: float) -> list[Figure]:
    """The same with liveness in 16 parts by machine, as deploy/postgres/partition-liveness.sql makes it."""
    execute(url, PARTS.read_text())
    execute(url, "VACUUM ANALYZE")
    looks, shares = anyio.run(sweeps, server, url, rounds, min(SILENT, machines // 4)), Shares()
    node = Node(url, 1, 1, machines, BATCH)
    for _ in range(rounds):
        run(server, url, [node], seconds, shares)
    node.end()
    print(
        f"pages read in 16 parts: the smallest check_at {pages(url, NEXT)}, what is due {pages(url, DUE)}", flush=True
    )
    sides = (("node", shares.node), ("server", shares.server))
    return [
        Figure("in 16 parts: sweep, nothing due", "ms", looks.idle, [], "", ""),
        Figure("… many newly silent, committed", "ms", looks.silent, [], "", ""),
        *(Figure(f"… processor for a heartbeat, {whose}", "µs", values, [], "", "") for whose, values in sides),
    ]


def main() -> None:
    short = arguments().short
    machines, rounds, seconds, beats = (2000, 1, 0.3, 1) if short else (1_000_000, 5, 4.0, 12)
    with fleet(machines) as (server, url):
        version = server.execute("SHOW server_version")[0][0]
        print(f"{machine()}; PostgreSQL {version}; fdatasync {fsync_ms(server.home):.2f} ms; {machines:,} machines")
        print(f"load average {os.getloadavg()[0]:.1f}")
        print(f"bytes a machine on disk, filled: {said(on_disk(url, machines))}", flush=True)
        figures = swept(server, url, rounds, min(SILENT, machines // 4))
        print(f"pages read: the smallest check_at {pages(url, NEXT)}, what is due {pages(url, DUE)}", flush=True)
        figures += together(server, url, machines, rounds, seconds)
        report(figures)
        few = resident(filled(server, 1000), 1000)
        many = resident(url, machines)
        each = (many - few) / max(1, machines - 1000)
        print(f"`serve`: {few / 2**20:.0f} MiB with 1,000 machines, {many / 2**20:.0f} with all: {each:.0f} bytes each")
        hour(url, machines, beats)
        print(f"bytes a machine after {beats} more heartbeats of each: {said(on_disk(url, machines))}")
        execute(url, "VACUUM")
        print(f"… and after VACUUM: {said(on_disk(url, machines))}")
        print(f"pages read then: the smallest check_at {pages(url, NEXT)}, what is due {pages(url, DUE)}")
        print(f"heap-only updates of liveness: {heap_only(server, url):.3f}; load average {os.getloadavg()[0]:.1f}")
        report(figures + in_parts(server, url, machines, min(rounds, 3), seconds))


if __name__ == "__main__":
    main()
