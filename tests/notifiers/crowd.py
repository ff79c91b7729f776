"""Telegram channels that note what they delivered, and a stand-in in virtual time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lastseen.model import Delivered, Message, Outcome
from lastseen.notifiers.telegram import Telegram
from lastseen.testing import FakeClock
from tests.standins.telegram import BotApi

CHATS = (1, 2, -3, -4, -5)


class Counting(Telegram):
    """Notes of each machine's events which were delivered, as they were."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.delivered: dict[str, list[int]] = defaultdict(list)

    async def send(self, message: Message) -> Outcome:
        outcome = await super().send(message)
        if isinstance(outcome, Delivered):
            for event in message.events:
                self.delivered[event.machine or ""].append(event.seq or 0)
        return outcome


class Timed(BotApi):
    """Notes when messages came."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(chats=CHATS, monotonic=clock.monotonic)
        self.times: list[float] = []
        self.told = lambda sent: self.times.append(clock.monotonic())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def api(clock: FakeClock) -> AsyncIterator[Timed]:
    async with Timed(clock).serving() as api:
        yield api
