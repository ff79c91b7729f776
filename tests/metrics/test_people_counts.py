"""Log-ins and followers of the stream are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastseen import counters
from lastseen.errors import Busy
from lastseen.monitor import live as module
from tests.stream.test_live import Stand, stand, taken
from tests.web.site import a_site, log_in

__all__ = ["stand"]


def since(counter: counters.Counter, before: dict[str, float]) -> dict[str, float]:
    now = {labels[0]: value for labels, value in counter.values().items()}
    return {what: value - before.get(what, 0) for what, value in now.items() if value != before.get(what, 0)}


async def test_log_ins_are_counted_by_what_came_of_them(tmp_path: Path) -> None:
    before = {labels[0]: value for labels, value in counters.LOGINS.values().items()}
    async with a_site(tmp_path) as site:
        await site.person()
        browser = site.browser()
        await log_in(browser)
        for _ in range(12):
            await log_in(browser, "ada", "wrong")
    assert since(counters.LOGINS, before) == {"ok": 1, "wrong": 10, "throttled": 2}


async def test_followers_are_counted_as_they_come_go_and_fall_behind(
    stand: Stand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = {labels[0]: value for labels, value in counters.FOLLOWS.values().items()}
    monkeypatch.setattr(module, "MOST_WAITING", 20)
    monkeypatch.setattr(module, "MOST_OF_ONE", 2)
    slow, quick = await stand.follower(), await stand.follower()
    with pytest.raises(Busy):
        stand.live.follow(by=slow.by)
    await stand.happen(10)
    await taken(quick, 10)
    await stand.happen(15)
    await taken(quick, 15)
    for _ in range(2):
        stand.live.leave(slow)
    assert since(counters.FOLLOWS, before) == {"began": 2, "refused": 1, "behind": 1, "ended": 1}
