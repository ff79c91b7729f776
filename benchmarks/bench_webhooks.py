"""10,000 signed webhooks to 100 receivers in another process: from a full outbox in SQLite until each is written
down as delivered. Beside it bare aiohttp and bare httpx clients that post the same bodies to the same receivers. What
other work on the machine does to a round shows in the time that passes, and less in the time of the processor."""

from __future__ import annotations

import base64
import itertools
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
import anyio
import httpx

from benchmarks.common import Figure, arguments, fsync_ms, machine, report, workspace
from benchmarks.outbox import as_serve_does, fill_outbox, send_all, silent_fleet
from benchmarks.receivers import Post, Receivers, Report, receiving
from lastseen.log_output import configure_logs

TOGETHER = 2
"""Posts that a bare client has in flight to each receiver: with more both are slower."""

FEWER = 5
"""httpx is given every fifth of the posts only: all of them take it a minute."""


async def by_aiohttp(posts: Sequence[Post]) -> float:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def post(url: str, body: bytes, headers: dict[str, str]) -> None:
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()

        return await timed(posts, post)


async def by_httpx(posts: Sequence[Post]) -> float:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

        async def post(url: str, body: bytes, headers: dict[str, str]) -> None:
            await client.post(url, content=body, headers=headers)

        return await timed(posts, post)


async def timed(posts: Sequence[Post], post: Callable[[str, bytes, dict[str, str]], Awaitable[None]]) -> float:
    """Seconds for all: each receiver's in their order, a few at once."""
    began = time.perf_counter()

    async def work(mine: list[Post]) -> None:
        while mine:
            await post(*mine.pop())

    async with anyio.create_task_group() as group:
        for _, given in itertools.groupby(sorted(posts, key=lambda one: one[0]), key=lambda one: one[0]):
            mine = list(given)[::-1]
            for _ in range(TOGETHER):
                group.start_soon(work, mine)
    return time.perf_counter() - began


def ours(folder: Path, receivers: Receivers, secret: str, machines: int) -> tuple[float, float, list[Post]]:
    """Webhooks a second, microseconds of the processor for each, and what was posted. Every one must have come once,
    signed, and in its machine's order."""
    path = folder / f"{time.monotonic_ns()}.db"
    silent_fleet(path, machines)
    count = anyio.run(fill_outbox, path, receivers.urls, secret, machines)
    receivers.forget()
    began = time.process_time()
    took = as_serve_does(send_all, path, count)
    spent = time.process_time() - began
    if all_came(receivers, count, "ours").disordered:
        raise SystemExit("a machine's events did not come in their order")
    return count / took, spent / count * 1e6, receivers.posts()


def all_came(receivers: Receivers, count: int, whose: str) -> Report:
    """What came, if it is everything: once each, and signed."""
    came = receivers.report()
    found = (came.requests, came.distinct, came.signed)
    if found != (count, count, count):
        raise SystemExit(f"{whose}: {found} requests, different ones and signed ones, not {count} of each")
    return came


def main() -> None:
    configure_logs(level="ERROR")
    short = arguments().short
    machines, hooks, rounds = (3, 4, 1) if short else (50, 100, 5)
    key = os.urandom(32)
    secret = "whsec_" + base64.b64encode(key).decode()
    print(f"{machine()}; {2 * machines * hooks:,} webhooks to {hooks} receivers")
    mine, aio, plain, cost, aio_cost = [], [], [], [], []
    with workspace() as folder, receiving(hooks, key) as receivers:
        print(f"fdatasync {fsync_ms(folder):.2f} ms")
        for _ in range(rounds):
            rate, spent, posts = ours(folder, receivers, secret, machines)
            mine.append(rate)
            cost.append(spent)
            for client, rates, given in ((by_aiohttp, aio, posts), (by_httpx, plain, posts[::FEWER])):
                receivers.forget()
                began = time.process_time()
                rates.append(len(given) / as_serve_does(client, given))
                if client is by_aiohttp:
                    aio_cost.append((time.process_time() - began) / len(given) * 1e6)
                all_came(receivers, len(given), "bare")
            print(
                f"{mine[-1]:,.0f}/s, {cost[-1]:,.0f} µs each; aiohttp {aio[-1]:,.0f}/s, {aio_cost[-1]:,.0f} µs; "
                f"httpx {plain[-1]:,.0f}/s; load {os.getloadavg()[0]:.1f}"
            )
    print("each came once, signed, and each machine's in their order")
    what = f"{2 * machines * hooks:,} webhooks to {hooks} receivers"
    report(
        [
            Figure(what, "/s", mine, aio, "bare aiohttp", ">= 2,000/s"),
            Figure(f"{what} (the same)", "/s", mine, plain, "bare httpx"),
            Figure("… time of the processor for each", "µs", cost, aio_cost, "bare aiohttp", "<= 500 µs"),
        ]
    )


if __name__ == "__main__":
    main()
