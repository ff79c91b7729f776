"""How many messages a site that goes dark makes, in virtual time: counts, not speed. A real monitor on SQLite tells two
Telegram chats at a stand-in that keeps Telegram's limits; one of them is held to be unable to edit its messages.

Beside it what a plain window of 2 s would send for the same silences."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import httpx
from pydantic import SecretStr

from benchmarks.common import Figure, arguments, machine, report, workspace
from lastseen.log_output import configure_logs
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.notifiers.telegram import Telegram
from lastseen.notifiers.tools import Tools
from lastseen.storage.sql import SqlStore
from lastseen.testing import FakeClock
from tests.standins.telegram import TOKEN, UNCHANGED, BotApi

GROUP = -100
"""The chat, a group: 20 messages a minute."""

SITE, DARK, SPREAD = 40, 37, 60.0
WINDOW = 2.0


class Uneditable(Telegram):
    """It cannot change what it has said."""

    edit = None  # type: ignore[assignment]


class Told:
    """What arrived in the chat."""

    def __init__(self, api: BotApi) -> None:
        self.messages = len(api.messages)
        self.sounds = sum(not message.silent for message in api.messages)
        self.edits = len(api.edits)
        self.refused = Counter(
            words for words in api.refused if UNCHANGED not in words
        )  # such an edit shows nobody a thing
        self.texts = [message.text.splitlines()[0] for message in api.messages]


Scene = Callable[[HeartbeatMonitor, FakeClock], Awaitable[None]]


async def told(path: Path, kind: type[Telegram], scene: Scene) -> Told:
    """What the chat gets in the scene. Everything must be delivered, and nothing refused."""
    clock = FakeClock()
    async with BotApi(chats=(GROUP,), monotonic=clock.monotonic).serving() as api, httpx.AsyncClient() as http:
        config = Telegram.Config(token=SecretStr(TOKEN), chat_id=GROUP, api_url=api.url)
        notify = {"ops": kind(config, Tools(http, clock))}
        monitor = HeartbeatMonitor(f"sqlite:///{path}", clock=clock, offline_after="2m", notify=notify)
        async with monitor:
            await scene(monitor, clock)
            assert isinstance(monitor.store, SqlStore)
            rows = await monitor.store.notifications(limit=100_000)
        found = Told(api)
    open_ = [row for row in rows if row["state"] not in ("delivered", "skipped")]
    if open_ or found.refused:
        raise SystemExit(f"{len(open_)} not delivered; refused by the stand-in: {dict(found.refused)}")
    return found


def moments(seed: int) -> list[tuple[float, int]]:
    """When each of the machines that go dark reports for the last time, to the millisecond."""
    chance = random.Random(seed)
    return sorted((round(chance.uniform(0, SPREAD), 3), number) for number in range(DARK))


def site(seed: int) -> Scene:
    """Heartbeats once a minute, each machine's at a moment of its own; then the power fails for most."""

    async def scene(monitor: HeartbeatMonitor, clock: FakeClock) -> None:
        for number in range(SITE):
            await monitor.watch(f"m{number}", group="berlin")
        at = 0.0
        for moment, number in moments(seed):
            if moment > at:
                await clock.advance(f"{moment - at:.3f}s")
            at = moment
            await monitor.heartbeat(f"m{number}")
        for _ in range(9):
            for number in range(DARK, SITE):
                await monitor.heartbeat(f"m{number}")
            await clock.advance("60s")

    return scene


def fleet(count: int) -> Scene:
    """All report once, at one moment, and never again."""

    async def scene(monitor: HeartbeatMonitor, clock: FakeClock) -> None:
        for at in range(0, count, 1000):
            async with anyio.create_task_group() as group:
                for number in range(at, min(at + 1000, count)):
                    group.start_soon(monitor.heartbeat, f"m{number}")
        await clock.advance("15m")

    return scene


def windows(times: list[float]) -> int:
    """The messages of a plain window: it opens with the first silence, and all within it are one message."""
    count, closes = 0, -1.0
    for at in times:
        if at >= closes:
            count, closes = count + 1, at + WINDOW
    return count


def main() -> None:
    configure_logs(level="ERROR")
    short = arguments().short
    seeds, count = (1, 300) if short else (20, 10_000)
    print(f"{machine()}; virtual time; {seeds} seeds")
    plain = [float(windows([at for at, _ in moments(seed)])) for seed in range(seeds)]
    figures = []
    with workspace() as folder:
        for kind, how in ((Telegram, "edited"), (Uneditable, "not editable")):
            found = [anyio.run(told, folder / f"{how}-{seed}.db", kind, site(seed)) for seed in range(seeds)]
            sounds, messages = [float(one.sounds) for one in found], [float(one.messages) for one in found]
            what = f"{DARK} of {SITE} machines dark, deadlines over {SPREAD:.0f} s, {how}"
            figures.append(Figure(f"{what}: sounding messages", "", sounds, plain, "2 s window", "<= 2"))
            figures.append(Figure("… all messages", "", messages, plain, "2 s window"))
        for kind, how in ((Telegram, "edited"), (Uneditable, "not editable")):
            all_ = anyio.run(told, folder / f"{how}-fleet.db", kind, fleet(count))
            print(f"{count:,} at once, {how}: {all_.messages} messages, {all_.sounds} sound, {all_.edits} edits")
            one = [float(all_.messages)]
            figures.append(Figure(f"{count:,} machines at once, {how}: messages", "", one, [], "", "<= 5"))
    report(figures)


if __name__ == "__main__":
    main()
