"""The smallest monitor there is: one machine, two seconds, printed."""

import asyncio

from lastseen import HeartbeatMonitor


async def main() -> None:
    async with HeartbeatMonitor(offline_after="2s", notify=lambda m: print(m.text)) as monitor:
        await monitor.heartbeat("web-1")  # returns when it is stored
        await asyncio.sleep(3)  # 🔴 web-1 offline since 12:00
        await monitor.heartbeat("web-1")  # 🟢 web-1 back after 3 s
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(main())
