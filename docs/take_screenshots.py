"""Take the pictures of docs/pages.md: a server with three months behind it, and a browser that looks at it.

python docs/take_screenshots.py [FOLDER FOR THE PICTURES]

Needs `chromium`, and what is installed for the tests.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from lastseen.clock import SystemClock
from lastseen.manage import channel_setup
from lastseen.model import Beat, Watch
from lastseen.monitor.deadline import Rules
from lastseen.monitor.decide import decide
from lastseen.storage import open_store
from tests.fresh import new_database
from tests.pages.looking import looking_at

DAYS = 90
STEP = timedelta(hours=1)
FLEET: Mapping[str, tuple[str, str, float]] = {
    "db-01": ("berlin", "Main database", 0.002),
    "db-02": ("berlin", "Replica", 0.002),
    "web-1": ("berlin", "Shop", 0.001),
    "nas": ("home", "Backups of everybody", 0.006),
    "heating": ("home", "Gateway in the cellar", 0.012),
    "door-garage": ("home", "", 0.004),
    "vps-paris": ("elsewhere", "Mail", 0.001),
    "pump-3": ("elsewhere", "Water works, pump 3", 0.01),
}
"""Machines: group, description, and how likely an outage begins within an hour."""


async def live_through(folder: Path) -> None:
    """Ninety days of heartbeats, an hour at a time, decided as the server decides."""
    luck, rules = random.Random(7), Rules()  # noqa: S311  (the same pictures each time)
    new_database(folder / "lastseen.db")
    store: Any = open_store(f"sqlite:///{folder / 'lastseen.db'}")
    await store.open()
    end = SystemClock().now()
    now = end - timedelta(days=DAYS)
    silent = dict.fromkeys(FLEET, 0)
    for slug, (group, description, _) in FLEET.items():
        said = {"group": group, "description": description, "offline_after": timedelta(minutes=90)}
        await store.order(slug, Watch(said, "new"), lambda case: decide(case, rules), now)
    while now < end:
        for slug, (_, _, likely) in FLEET.items():
            if not silent[slug] and luck.random() < likely / 3:
                silent[slug] = luck.randint(2, 9)
            silent[slug] = max(0, silent[slug] - 1)
        if end - 9 * STEP < now < end - 6 * STEP:
            silent["vps-paris"] = 1
        if now > end - 3 * STEP:
            silent = {**dict.fromkeys(FLEET, 0), "nas": 9}
        await store.record([Beat(slug, now) for slug, hours in silent.items() if not hours], now)
        await store.settle(lambda case: decide(case, rules), now)
        now += STEP
    await store.close()


async def take(folder: Path, into: Path) -> None:
    async with looking_at(folder) as looking:
        app = looking.served.app
        await channel_setup.add(app.office, "console", "here", {})
        body = '{"status": "error", "message": "tank level sensor stuck", "metrics": {"bar": 2.5}}'
        for slug in FLEET:
            if slug != "nas":
                await app.monitor.heartbeat(slug)
        key = await looking.served.machine("kiln")
        await app.monitor.watch("kiln", group="home", description="Pottery")
        await looking.served.beat(key, body.encode())
        for dark, path, name in (
            (False, "/?span=90d", "pages-overview"),
            (True, "/machines/heating", "pages-machine"),
        ):
            async with looking.by(dark=dark) as seen:
                await seen.open(path)
                await seen.page.locator("#live[data-live=yes]").wait_for()
                await seen.page.screenshot(path=into / f"{name}.png")


def main() -> None:
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_both(Path(folder), into))


async def _both(folder: Path, into: Path) -> None:
    await live_through(folder)
    await take(folder, into)


if __name__ == "__main__":
    main()
