"""What people and programs read: the overview of a fleet, a list, one status, and how soon a change is on the screen.
Beside each stands a route of the same server that does nothing (`/healthz`). The browser is Debian's Chromium.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Page, sync_playwright

from benchmarks.common import Figure, arguments, fsync_ms, lastseen, machine, report, serving, workspace
from benchmarks.fleet import fill, text
from benchmarks.wrk import script, wrk
from lastseen.clock import SystemClock

GROUPS = 20
OFTEN_OFFLINE = 5
"""Of so many machines one had outages today."""

PASSWORD = "only for this measurement"


def history(path: Path, count: int, now: datetime) -> None:
    """Groups, and three outages of today for some machines."""
    with sqlite3.connect(path) as db:
        db.execute("UPDATE machines SET group_name = 'site-' || (id % ?)", (GROUPS,))
        for number in range(0, count, OFTEN_OFFLINE):
            for hours in (3, 9, 15):
                start, one = now - timedelta(hours=hours), number + 1
                row = (f"{one}-{hours}", text(start), one, 100 + hours)
                event = db.execute(
                    "INSERT INTO events (uid, type, severity, at, machine_id, seq, reason, snapshot)"
                    " VALUES (?, 'machine.offline', 'alert', ?, ?, ?, 'silent', '{}')",
                    row,
                ).lastrowid
                end = text(start + timedelta(minutes=20))
                db.execute(
                    "INSERT INTO outages (machine_id, started_at, detected_at, ended_at, reason, end_reason, opened_by)"
                    " VALUES (?, ?, ?, ?, 'silent', 'heard', ?)",
                    (one, text(start), text(start), end, event),
                )
    db.close()


def log_in(client: httpx.Client, env: dict[str, str]) -> None:
    """As the first admin."""
    link = json.loads(lastseen("setup-link", "--json", env=env))["url"]
    token = parse_qs(urlsplit(link).query)["token"][0]
    answer = client.post("/setup", data={"token": token, "name": "ada", "password": PASSWORD})
    if answer.status_code not in (200, 303):
        raise SystemExit(f"nobody could be set up: {answer.status_code}")


def in_ms(read: Callable[[], httpx.Response], rounds: int) -> list[float]:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        read().raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    return took


def reads(client: httpx.Client, key: str, rounds: int, count: int) -> list[Figure]:
    with_key, beside = {"X-API-Key": key}, f"/api/v1/machines?limit={min(1000, count)}"
    overview = client.get("/")
    if "site-7" not in overview.text:
        raise SystemExit("the overview does not show the fleet")
    listed = client.get(beside, headers=with_key).json()["items"]
    if len(listed) != min(1000, count):
        raise SystemExit(f"{len(listed)} machines were listed")
    kilobytes = int(overview.headers.get("content-length", 0)) / 1024
    nothing = in_ms(lambda: client.get("/healthz"), rounds)
    page = in_ms(lambda: client.get("/"), rounds)
    table = in_ms(lambda: client.get(beside, headers=with_key), rounds)
    return [
        Figure(f"overview of {count:,} machines", "ms", page, nothing, "/healthz", "<= 150"),
        Figure("… with gzip", "KB", [kilobytes], [], "", "<= 300"),
        Figure(f"list of {len(listed):,} machines", "ms", table, nothing, "/healthz", "<= 60"),
    ]


def status_reads(url: str, folder: Path, key: str, count: int, rounds: int, seconds: int) -> Figure:
    request = f'"GET", lines[n], {{["X-API-Key"] = "{key}"}}, nil'
    one = script(folder, "status", request, [f"/api/v1/machines/m{n}/status" for n in range(count)])
    nothing = script(folder, "nothing", request, ["/healthz"])
    mine, empty = [], []
    for _ in range(rounds):
        rate, _, bad = wrk(url, one, 64, seconds)
        if bad:
            raise SystemExit(f"{bad} statuses were not answered")
        mine.append(rate)
        empty.append(wrk(url, nothing, 64, seconds)[0])
    return Figure("status reads by one process, wrk -t1 -c64", "/s", mine, empty, "/healthz", ">= 5,000")


def to_pixels(page: Page, client: httpx.Client, fleet: str, rounds: int) -> list[float]:
    """From the request that changes a machine to the frame that shows it."""
    took = []
    wrong = "() => document.querySelector('main').innerText.includes('Wrong now') == %s"
    for number in range(2 * rounds):
        fault = number % 2 == 0
        row = json.dumps({"machine": "m0", "status": "error" if fault else "ok"})
        page.wait_for_timeout(1500)  # as after a quiet time
        began = time.perf_counter()
        client.post("/api/v1/heartbeats", content=row, headers={"X-API-Key": fleet}).raise_for_status()
        page.wait_for_function(wrong % ("true" if fault else "false"), polling="raf")
        took.append((time.perf_counter() - began) * 1000)
    return took


def pixels(url: str, client: httpx.Client, fleet: str, rounds: int) -> Figure:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies([{"name": name, "value": value, "url": url} for name, value in client.cookies.items()])
        page = context.new_page()
        page.goto(url)
        took = to_pixels(page, client, fleet, rounds)
        browser.close()
    return Figure("a change to the screen", "ms", took, [], "", "<= 1,000")


def main() -> None:
    short = arguments().short
    count, rounds, turns, seconds = (200, 3, 1, 1) if short else (5000, 40, 5, 5)
    print(machine())
    with workspace() as folder:
        print(f"fdatasync {fsync_ms(folder):.2f} ms")
        now = SystemClock().now()
        fill(folder / "lastseen.db", count, now)
        history(folder / "lastseen.db", count, now)
        env = {"LASTSEEN_DATA_DIR": str(folder)}
        with serving(folder, LASTSEEN_RATE_LIMIT="off", LASTSEEN_FLAPPING="off") as (url, _, _):
            keys = {one: json.loads(lastseen("keys", "add", one, "--json", env=env))["key"] for one in ("api", "fleet")}
            with httpx.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60) as client:
                log_in(client, env)
                figures = reads(client, keys["api"], rounds, count)
                figures.append(status_reads(url, folder, keys["api"], count, turns, seconds))
                figures.append(pixels(url, client, keys["fleet"], turns))
        report(figures)


if __name__ == "__main__":
    main()
