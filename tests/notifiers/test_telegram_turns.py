"""What gathers while a chat's turn is awaited goes together: Telegram's own limits make messages fewer, not later."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from lastseen import HeartbeatMonitor
from lastseen.notifiers.tools import Tools
from lastseen.testing import FakeClock
from tests.notifiers.crowd import Counting, Timed, api, clock
from tests.standins.telegram import TOKEN

__all__ = ["api", "clock"]  # the fixtures

GROUP_CHAT = -3
MACHINES = 40


async def test_machines_that_take_turns_are_told_of_together_when_the_chat_is_full(
    clock: FakeClock, api: Timed
) -> None:
    """Four rounds of 40 machines, an event every 250 ms: 160 in 40 s, of which 20 messages may be made in a minute."""
    async with httpx.AsyncClient() as http:
        config = Counting.Config(token=SecretStr(TOKEN), chat_id=GROUP_CHAT, api_url=api.url)
        chat = Counting(config, Tools(http, clock))
        async with HeartbeatMonitor("memory:", clock=clock, offline_after="never", notify={"chat": chat}) as monitor:
            for turn in range(4):
                for number in range(MACHINES):
                    report = {"status": "ok" if turn % 2 else "error", "message": str(turn)}
                    await monitor.heartbeat(f"m-{number}", report)
                    await monitor.sweep()
                    await clock.advance("250ms")
            await clock.advance("20m")
    assert {machine: len(events) for machine, events in chat.delivered.items()} == {
        f"m-{number}": 4 for number in range(MACHINES)
    }
    assert all(events == sorted(events) for events in chat.delivered.values())
    assert api.refused == []
    assert len(api.messages) <= 25
