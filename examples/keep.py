"""Old rows are deleted while a monitor runs: python examples/keep.py"""

from datetime import timedelta

import anyio

from lastseen import HeartbeatMonitor
from lastseen.model.retention import Keep

# None: for ever. What an open outage or an unfinished message needs never goes
keep = Keep(events=timedelta(days=365), attempts=timedelta(days=30), runs=None, reports=timedelta(days=7))


async def main() -> None:
    async with HeartbeatMonitor("sqlite:///devices.db", keep=keep) as monitor:
        await monitor.heartbeat("pump")
        print((await monitor.status("pump")).last_seen is not None)


if __name__ == "__main__":
    anyio.run(main)
