"""A store on tables of your own: every verb is one SQLite transaction, and `pumps` shows what the monitor knows."""

import asyncio
import pickle
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from lastseen import HeartbeatMonitor
from lastseen.storage.state import State, StateStore


class PumpStore(StateStore):
    def __init__(self, path: Path | str) -> None:
        self.path, self.lock = path, asyncio.Lock()
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE IF NOT EXISTS pumps (slug TEXT PRIMARY KEY, status TEXT, last_seen TEXT)")
            db.execute("CREATE TABLE IF NOT EXISTS pump_monitor (id INTEGER PRIMARY KEY, state BLOB)")

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self.lock:
            with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                kept = db.execute("SELECT state FROM pump_monitor").fetchone()
                self.state = pickle.loads(kept[0]) if kept else State()
                yield
                db.execute("INSERT OR REPLACE INTO pump_monitor VALUES (1, ?)", [pickle.dumps(self.state)])
                for machine_id, row in self.state.rows.items():
                    values = (self.state.machines[machine_id].slug, row.status.value, str(row.last_seen))
                    db.execute("INSERT OR REPLACE INTO pumps VALUES (?, ?, ?)", values)
                db.execute("COMMIT")


async def main() -> None:
    async with HeartbeatMonitor(PumpStore("pumps.db"), notify=print, offline_after="2s") as monitor:
        await monitor.heartbeat("cellar")
        print(await monitor.status("cellar"))


if __name__ == "__main__":
    asyncio.run(main())
