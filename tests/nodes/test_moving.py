"""Work moves from node to node: when one is killed, within its lease; when one ends in good order, at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import beat
from tests.nodes.fleet import PATIENCE, Fleet, fleet
from tests.standins.telegram import TOKEN, BotApi
from tests.standins.webhook import WebhookReceiver
from tests.support import eventually


@pytest.fixture
def two(tmp_path: Path, url: str) -> Iterator[Fleet]:
    with fleet(tmp_path, url, LASTSEEN_RATE_LIMIT="off") as found:
        yield found


async def test_nodes_are_listed_until_they_end_and_who_is_killed_is_said_to_be_silent(
    two: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lastseen.monitor.nodes.AWAY_AFTER", 4.0)
    await two.start("a", "b", "c")
    await eventually(lambda: two.are_there(True, True, True), timeout=PATIENCE, every=0.3)
    assert [node["sources"] for node in await two.json("nodes")] == [["http"]] * 3
    await two.end("a")
    assert len(await two.json("nodes")) == 2
    two.kill("b")
    await eventually(lambda: two.are_there(False, True), timeout=PATIENCE, every=0.3)
    table = (await two.command("nodes")).out
    assert (table.count(" there "), table.count(" silent for ")) == (1, 1)


async def machine(of: Fleet, **more: str) -> str:
    """The key of a machine that may be silent for two seconds."""
    return str((await of.json("machines", "add", "web", "--offline-after", "2s"))["key"])


async def test_what_a_killed_node_was_sending_is_sent_by_the_other_under_the_same_id(two: Fleet) -> None:
    async with WebhookReceiver(fail_first=1, how="hang") as hook:
        made = await two.json("channels", "add", "webhook", "--name", "hook", "--url", hook.url)
        hook.secret(made["secret"])
        key = await machine(two)
        await two.start("a", "b")
        assert beat(await two.url("a"), key) == 204
        await eventually(lambda: len(hook.deliveries) == 1, timeout=PATIENCE)
        listed = {node["id"] for node in await two.json("nodes") if node["lanes"]}
        assert len(listed) == 1
        two.kill(two.called(listed.pop()))
        await eventually(lambda: len(hook.deliveries) > 1, timeout=PATIENCE)
        first, second = hook.deliveries[:2]
        assert (first.verdict, second.verdict) == ("failed", "ok")
        assert (first.id, first.event_id) == (second.id, second.event_id)


async def test_what_a_node_has_for_all_is_the_others_when_it_ends_however_long_its_leases_are(
    tmp_path: Path, url: str
) -> None:
    """The lanes, the bot: whoever waited for the leases would wait for an hour."""
    async with WebhookReceiver() as hook, BotApi(TOKEN, (1,)).serving() as api:
        settings = {"TELEGRAM_BOT_TOKEN": TOKEN, "LASTSEEN_TELEGRAM_API_URL": api.url}
        with fleet(tmp_path, url, **settings) as two:
            two.span = 3600
            made = await two.json("channels", "add", "webhook", "--name", "hook", "--url", hook.url)
            hook.secret(made["secret"])
            await two.json("channels", "add", "telegram", "--name", "ops", "--chat-id", "1")
            key = await machine(two)
            await two.start("a")
            await eventually(lambda: two.nodes["a"].said("bot_read"), timeout=PATIENCE)
            assert beat(await two.url("a"), key) == 204
            await eventually(lambda: [one.type for one in hook.deliveries] == ["machine.offline"], timeout=PATIENCE)
            (has_all,) = [node["lanes"] for node in await two.json("nodes")]
            assert {lane.partition(":")[0] for lane in has_all} >= {"channel", "poller"}
            await two.start("b")
            await two.end("a")
            assert beat(await two.url("b"), key) == 204
            await eventually(lambda: "machine.online" in [one.type for one in hook.deliveries], timeout=PATIENCE)
            await eventually(lambda: two.nodes["b"].said("bot_read"), timeout=PATIENCE)


async def test_a_machine_is_told_of_once_whichever_node_hears_it(two: Fleet) -> None:
    async with WebhookReceiver() as hook:
        made = await two.json("channels", "add", "webhook", "--name", "hook", "--url", hook.url)
        hook.secret(made["secret"])
        key = await machine(two)
        await two.start("a", "b")
        for name in "ab":
            assert beat(await two.url(name), key) == 204
        await eventually(lambda: "machine.offline" in [one.type for one in hook.deliveries], timeout=PATIENCE)
        assert beat(await two.url("b"), key) == 204
        await eventually(lambda: "machine.online" in [one.type for one in hook.deliveries[1:]], timeout=PATIENCE)
        seen = [one.sequence for one in hook.deliveries if one.machine == "web"]
        assert seen == sorted(set(seen), key=lambda number: number or 0)


async def test_one_node_reads_a_bot_and_the_other_goes_on_when_it_is_killed(tmp_path: Path, url: str) -> None:
    async with BotApi(TOKEN, (1,)).serving() as api:
        settings = {"TELEGRAM_BOT_TOKEN": TOKEN, "LASTSEEN_TELEGRAM_API_URL": api.url}
        with fleet(tmp_path, url, **settings) as two:
            two.span = (
                10  # one that a busy computer holds up for longer has lost it, and reads for a moment all the same
            )
            await two.json("channels", "add", "telegram", "--name", "ops", "--chat-id", "1")
            await two.start("a", "b")
            reader = await two.one_says("bot_read")
            await asked(api, 1)
            two.kill(reader)
            await asked(api, 2)
            await two.start("c")
            await two.end(two.other("c"))
            await asked(api, 3)
            assert api.refused == []


async def asked(api: BotApi, times: int) -> None:
    """Somebody asks, and is answered once for each time."""
    api.say(1, "/status")
    await eventually(lambda: len(api.messages) >= times, timeout=PATIENCE)
    assert len(api.messages) == times
    assert "private bot" not in api.messages[-1].text


async def test_a_node_that_was_stopped_past_its_lease_answers_nothing_again(tmp_path: Path, url: str) -> None:
    async with BotApi(TOKEN, (1,)).serving() as api:
        settings = {"TELEGRAM_BOT_TOKEN": TOKEN, "LASTSEEN_TELEGRAM_API_URL": api.url}
        with fleet(tmp_path, url, **settings) as two:
            await two.json("channels", "add", "telegram", "--name", "ops", "--chat-id", "1")
            await two.start("a", "b")
            first = await two.one_says("bot_read")
            two.signal(first, signal.SIGSTOP)
            api.say(1, "/status")  # which its call is answered with
            await eventually(lambda: two.nodes[two.other(first)].said("bot_read"), timeout=PATIENCE)
            await eventually(lambda: len(api.messages) == 1, timeout=PATIENCE)
            two.signal(first, signal.SIGCONT)
            await asked(api, 2)
