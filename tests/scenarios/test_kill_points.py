"""`kill -9` at each point of taking, sending and writing down: nothing is lost, all is in order, and only what was
heard before that could be written down is heard again, under its own id."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lastseen import HeartbeatMonitor
from lastseen.model import code_channel_uid
from lastseen.notifiers.roster import lane_of
from lastseen.notifiers.signing import new_secret
from lastseen.storage.sqlite import open_sqlite
from lastseen.testing.http_server import Answer, Received
from tests import starting
from tests.scenarios.dying import CHANNEL, CHAT, POINTS, PROGRAM, notifier
from tests.scenarios.harness import rows
from tests.secrecy import log_of, secret
from tests.standins.telegram import TOKEN, BotApi
from tests.standins.webhook import WebhookReceiver
from tests.support import eventually

EVENTS = 6
TIMES = (1, 3)
"""It dies when it gets to the point for the first time, and the next one when it gets there for the third time."""

READ = "the receiver has read it, and not answered"
AGAIN = (READ, "finish, before BEGIN", "finish, before COMMIT")
"""What is sent again: we do not know that it was heard."""

LOST = ("take, after COMMIT", *AGAIN)
"""Where an attempt is on record that nobody will write the end of."""

SHARED = "take, before COMMIT"
"""Where what the writer was asked for before may die with it."""

ROWS = """
SELECT n.uid, n.state FROM notifications n JOIN events e ON e.id = n.event_id WHERE n.state != 'skipped' ORDER BY e.seq
"""
"""Its first heartbeat is told to nobody, and so is skipped."""

UNFINISHED = "SELECT 1 FROM notifications WHERE state IN ('pending', 'sending')"
ENDS = "SELECT outcome, count(*) FROM delivery_attempts GROUP BY outcome"


class Deadly(WebhookReceiver):
    """Once it has read so many more, it kills whoever sent that, and never answers."""

    left = 0
    victim = 0

    async def handle(self, request: Received) -> Answer:
        answer = await super().handle(request)
        self.left -= 1
        if not self.left:
            os.kill(self.victim, signal.SIGKILL)
            return Answer(hang=True)
        return answer


async def fill(path: Path, kind: str, url: str, key: str) -> None:
    """A machine that went wrong and well again, of which nothing was sent: nobody here can."""
    store = open_sqlite(f"sqlite:///{path}")
    async with HeartbeatMonitor(store, offline_after="never", flapping="off") as monitor:
        lane = lane_of(code_channel_uid(CHANNEL), notifier(kind, url, key))
        await store.code_channel(CHANNEL, lane, monitor.clock.now())
        await monitor.heartbeat("pump")
        await monitor.sweep()
        for number in range(EVENTS):
            report = {"status": "ok" if number % 2 else "error", "message": f"number {number}"}
            await monitor.heartbeat("pump", report)
            await monitor.sweep()


async def life(path: Path, *given: str, born: Callable[[int], None], over: Callable[[], Any]) -> int:
    """One process, until it dies or until `over`. What it ended with."""
    log = path.with_name("dying.log")
    with log.open("ab") as errors:
        child = starting.start([str(path), *given], os.environ, errors=errors, program=PROGRAM)
    born(child.pid)
    try:
        await eventually(lambda: child.poll() is not None or over())
        child.terminate()
        await eventually(lambda: child.poll() is not None)
        return child.poll() or 0
    finally:
        child.kill()
        log_of(str(log), log)


async def lives(
    path: Path,
    kind: str,
    url: str,
    key: str,
    point: str,
    born: Callable[[int, int], None],
    times: Sequence[int] = TIMES,
) -> list[int]:
    """Two that die at the point, and one that does not. `born`: with its process id, and the time it has."""
    mine = point if point in POINTS else "never"
    ends = [
        await life(path, kind, url, key, mine, str(time), born=lambda pid, time=time: born(pid, time), over=bool)
        for time in times
    ]
    last = await life(
        path, kind, url, key, "never", "1", born=lambda pid: born(pid, 0), over=lambda: not rows(path, UNFINISHED)
    )
    return [*ends, last]


@pytest.mark.parametrize("point", [*POINTS, READ])
async def test_a_webhook_is_lost_by_no_death_and_repeated_where_nobody_could_know(point: str, tmp_path: Path) -> None:
    path, key = tmp_path / "lastseen.db", secret(new_secret())
    async with Deadly(key) as receiver:

        def born(pid: int, time: int) -> None:
            receiver.victim, receiver.left = pid, time if point == READ else 0

        await fill(path, "webhook", receiver.url, key)
        assert await lives(path, "webhook", receiver.url, key, point, born) == [-signal.SIGKILL, -signal.SIGKILL, 0]
    assert not receiver.refused
    heard = [one.id for one in receiver.messages]
    assert [(uid, "delivered") for uid in dict.fromkeys(heard)] == rows(path, ROWS)
    again = sum(Counter(heard).values()) - EVENTS
    if point == SHARED:
        assert again <= 1, "the finish of the one before may have been in the same transaction"
    else:
        assert sorted(Counter(heard).values())[-3:] == ([1, 2, 2] if point in AGAIN else [1, 1, 1])
    assert heard == sorted(heard, key=heard.index), "what is told again is told before anything else"
    ends = dict(rows(path, ENDS))
    lost = ends.pop("lost", 0)
    assert ends == {"delivered": EVENTS}
    if point in LOST:
        assert lost == 2
    else:  # between the COMMIT of finish and death, the writer may have committed the take of what comes next
        assert lost == again or (point == "finish, after COMMIT" and lost <= 2)


@pytest.mark.parametrize(("point", "times"), [("take, before COMMIT", 1), ("finish, before COMMIT", 3)])
async def test_a_chat_misses_nothing_and_reads_again_only_what_nobody_could_know(
    point: str, times: int, tmp_path: Path
) -> None:
    """All of it is one message, and the same one each time."""
    path, key = tmp_path / "lastseen.db", secret(TOKEN)
    async with BotApi(chats=(CHAT,), limits=False).serving() as api:
        await fill(path, "telegram", api.url, key)
        ends = await lives(path, "telegram", api.url, key, point, born=lambda pid, time: None, times=(1, 1))
    assert ends == [-signal.SIGKILL, -signal.SIGKILL, 0]
    assert [sent.text.partition("\n")[0] for sent in api.messages] == [api.messages[0].text.partition("\n")[0]] * times
    assert {state for _, state in rows(path, ROWS)} == {"delivered"}
    assert api.refused == []
