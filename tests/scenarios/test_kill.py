"""`kill -9` of the server at ten random moments of a 300-machine outage."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.scenarios.harness import all_beat, fleet, rows, server
from tests.standins.webhook import WebhookReceiver
from tests.support import eventually

MACHINES = 300
KILLS = 10
MOMENTS = (0, 1, 2, 5, 10, 25)
"""So many more messages were sent, or written down as delivered, before the next kill."""


async def test_killed_ten_times_every_event_is_delivered_and_none_is_made_twice(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    keys = await fleet(tmp_path, MACHINES)
    async with WebhookReceiver() as receiver, server(tmp_path) as serve:
        added = await serve.cli("channels", "add", "webhook", "--name", "ops", "--url", receiver.url)
        receiver.secret(added["secret"])
        await serve.start()
        await all_beat(serve, keys)
        await eventually(lambda: len(receiver.messages) > 0)

        def sent() -> int:
            return len(receiver.messages)

        def written() -> int:
            return len(rows(tmp_path, DELIVERED))

        for _ in range(KILLS):
            await more(chance.choice([sent, written]), chance.choice(MOMENTS))
            serve.kill()
            await serve.start()
        await eventually(lambda: told(receiver) == set(keys))
        await eventually(lambda: not rows(tmp_path, UNFINISHED))
    assert not receiver.refused
    ids = {message.id: (message.machine, message.type) for message in receiver.messages}
    assert Counter(ids.values()) == Counter((slug, "machine.offline") for slug in keys), "one id each, each delivered"
    assert {uid for (uid,) in rows(tmp_path, DELIVERED)} == set(ids)
    events = rows(tmp_path, "SELECT machine_id, count(*) FROM events WHERE type = 'machine.offline' GROUP BY 1")
    assert [count for _, count in events] == [1] * MACHINES
    marks = rows(tmp_path, "SELECT count(*) FROM machine_offline_notifications")
    assert marks == [(MACHINES,)]


async def more(count: Callable[[], int], by: int) -> None:
    """Until there are so many more, or all that there will be."""
    wanted = min(count() + by, MACHINES)
    await eventually(lambda: count() >= wanted, every=0.001)


DELIVERED = "SELECT uid FROM notifications WHERE state = 'delivered'"
UNFINISHED = "SELECT 1 FROM notifications WHERE state IN ('pending', 'sending')"


def told(receiver: WebhookReceiver) -> set[str]:
    return {message.machine for message in receiver.messages if message.type == "machine.offline"}
