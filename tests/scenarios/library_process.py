"""A program with a monitor of its own: python -m tests.scenarios.library_process DATABASE OUT THRESHOLD LEASE

It reads `beat NAME…`, `hang`, `go on` and `quit` from its standard input, and appends a line to OUT for each message:
under which id, of what type, about which machine. A message that was told while it hangs is never finished.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import structlog

from lastseen import HeartbeatMonitor, Message
from lastseen.notifiers import dispatcher


async def main(database: str, out: str, threshold: str, lease: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    dispatcher.LEASE = timedelta(seconds=float(lease))
    hangs = False

    async def tell(message: Message) -> None:
        with Path(out).open("a") as file:
            file.write(f"{message.id} {message.event.type} {message.event.machine}\n")
        if hangs:
            await asyncio.Event().wait()

    async with HeartbeatMonitor(
        database, notify={"ops": tell}, offline_after=threshold, check_interval="1h"
    ) as monitor:
        print("ready", flush=True)
        while True:
            words = (await asyncio.to_thread(sys.stdin.readline)).split()
            if not words or words[0] == "quit":
                return
            if words[0] in ("hang", "go"):
                hangs = words[0] == "hang"
            for name in words[1:] if words[0] == "beat" else ():
                await monitor.heartbeat(name)
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
