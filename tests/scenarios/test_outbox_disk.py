"""The disk is full in the commit of a take, and of a finish: nothing is lost, and nothing told under a second id."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lastseen import HeartbeatMonitor
from lastseen.errors import StoreUnavailable
from lastseen.model import Delivered, Message, Outcome
from lastseen.storage.sql import SqlStore
from tests.disk import fill, small_disk
from tests.scenarios.harness import rows
from tests.support import eventually

MACHINES = [f"m{n}" for n in range(20)]


class Chat:
    """What it was told: ids, and about which machine."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str | None]] = []

    async def send(self, message: Message) -> Outcome:
        self.messages.append((message.id, message.event.machine))
        return Delivered(f"m{len(self.messages)}")


def no_room_in(store: SqlStore, verb: str, ballast: Path, times: int) -> list[str]:
    """The disk is full whenever the store does this, until it has failed so many times. The words of the errors."""
    real, failed = getattr(store, verb), []

    async def cramped(*given: Any) -> Any:
        if len(failed) < times:
            fill(ballast)
        try:
            return await real(*given)
        except StoreUnavailable as error:
            failed.append(str(error))
            raise
        finally:
            ballast.unlink(missing_ok=True)

    setattr(store, verb, cramped)
    return failed


@pytest.mark.parametrize("verb", ["take", "finish"])
async def test_no_room_for_the_commit(tmp_path: Path, verb: str) -> None:
    chat = Chat()
    with small_disk(tmp_path / "disk", "8m") as folder:
        url = f"sqlite:///{folder / 'lastseen.db'}"
        async with HeartbeatMonitor(url, notify={"ops": chat}, offline_after="1s", check_interval="1h") as monitor:
            assert isinstance(monitor.store, SqlStore)
            for name in MACHINES:
                await monitor.heartbeat(name)
            failed = no_room_in(monitor.store, verb, folder / "ballast", times=3)
            await eventually(lambda: {machine for _, machine in chat.messages} == set(MACHINES))
            await eventually(lambda: not rows(folder, UNFINISHED))
        assert len(failed) >= 3, "it was full in there"
        delivered = {uid for (uid,) in rows(folder, "SELECT uid FROM notifications WHERE state = 'delivered'")}
        assert rows(folder, "SELECT uid, reason FROM notifications WHERE state = 'dead'") == []
    assert Counter(chat.messages) == Counter(set(chat.messages)), "what could not be written down was not sent again"
    assert {uid for uid, _ in chat.messages} == delivered


UNFINISHED = "SELECT 1 FROM notifications WHERE state IN ('pending', 'sending')"
