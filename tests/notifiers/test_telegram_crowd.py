"""Very many notifications through the stand-in's limits, in virtual time: they wait, and none is lost or refused."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from lastseen import HeartbeatMonitor
from lastseen.notifiers.telegram import Telegram
from lastseen.notifiers.tools import Tools
from lastseen.testing import FakeClock
from tests.notifiers.crowd import CHATS, Counting, Timed, api, clock
from tests.standins.telegram import TOKEN, BotApi

__all__ = ["api", "clock"]  # the fixtures


class OneByOne(Counting):
    """Speaks for one machine at a time: a message each, so that the limits are reached."""

    max_batch = 1


async def test_five_thousand_notifications_wait_for_their_turn(clock: FakeClock, api: BotApi) -> None:
    told = await tell(Counting, clock, api, machines=10, times=100, span="30m")
    assert sum(len(events) for one in told for events in one.delivered.values()) == 5_000
    in_order(told, machines=10, times=100)
    assert api.refused == []


async def test_a_message_for_each_keeps_the_order_through_all_the_waiting(clock: FakeClock, api: Timed) -> None:
    told = await tell(OneByOne, clock, api, machines=10, times=6, span="20m")
    in_order(told, machines=10, times=6)
    assert api.refused == []
    assert len(api.messages) == len(CHATS) * 60
    assert max(api.times) > 2 * 60, "60 messages in a group take more than two minutes"


def in_order(told: list[Counting], machines: int, times: int) -> None:
    """Every event once, in every chat."""
    for one in told:
        assert set(one.delivered) == {f"m-{number}" for number in range(machines)}
        for events in one.delivered.values():
            assert events == sorted(set(events))
            assert len(events) == times


async def tell(
    kind: type[Counting], clock: FakeClock, api: BotApi, machines: int, times: int, span: str
) -> list[Counting]:
    """Each machine goes into error and out of it, so many times in all, at once; then time passes."""
    async with httpx.AsyncClient() as http:
        configs = [Telegram.Config(token=SecretStr(TOKEN), chat_id=chat, api_url=api.url) for chat in CHATS]
        told = [kind(config, Tools(http, clock)) for config in configs]
        notify = {str(one.config.chat_id): one for one in told}
        async with HeartbeatMonitor(
            "memory:", clock=clock, offline_after="never", flapping="off", notify=notify
        ) as monitor:
            for turn in range(times):
                for number in range(machines):
                    report = {"status": "ok" if turn % 2 else "error", "message": str(turn)}
                    await monitor.heartbeat(f"m-{number}", report)
                await monitor.sweep()
            await clock.advance(span)
    return told
