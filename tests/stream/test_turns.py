"""Who is sent very much at once leaves the others their turns."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from lastseen.clock import SystemClock
from lastseen.manage.who import Who
from lastseen.model.seen import Seen
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.monitor.live import Batch, Follower, Live, Tiding
from lastseen.web.api.stream import AT_ONCE, Told, Wanted
from lastseen.web.frames import frame

BATCHES, EACH = 3, 500
REQUEST = SimpleNamespace(
    app=SimpleNamespace(state=SimpleNamespace(entrance=SimpleNamespace(clock=SystemClock()))),
)


def batch(number: int) -> Batch[bytes]:
    ids = range(number * EACH + 1, (number + 1) * EACH + 1)
    tidings = [Tiding(n, "machine.online", 1, "pump", None, frame(str(n), {"id": n}, None)) for n in ids]
    return Batch(tidings, Seen.read(str(ids[-1])))


async def test_others_have_their_turn_while_one_is_sent_what_came_in_a_long_silence() -> None:
    live: Live[bytes] = Live(HeartbeatMonitor("memory:"), frame)
    follower = Follower(live, Seen.read("0"), "")
    follower.arrive(Seen.read("0"))
    for number in range(BATCHES):
        follower.put(batch(number))
    turns, sent = 0, 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with asyncio.TaskGroup() as group:
        beside = group.create_task(other())
        async for piece in Told(cast(Any, REQUEST), live, follower, Wanted(), Who("ada", "admin")).frames():
            sent += piece.count(b"\ndata: ")
            if sent == BATCHES * EACH:
                break
        beside.cancel()
    assert turns >= BATCHES * EACH / AT_ONCE - 2, "but for where it begins and ends"
