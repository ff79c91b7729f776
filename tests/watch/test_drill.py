"""`lastseen drill` beside a real server, with real far ends: one that works, a chat, and one that fails."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from lastseen.cli.drill_stage import sweep_up
from lastseen.model import Channel, Event, Matcher, Message, Preferences, Quiet, Retry, Severity
from lastseen.model.drill import LASTS, is_over, tags_of
from lastseen.monitor.audience import unwanted
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.protocols import Channels, History, Wishes
from lastseen.storage import open_store
from lastseen.testing import FakeClock
from tests.cli.conftest import Cli, cli, fresh  # noqa: F401  (fixtures)
from tests.standins.telegram import TOKEN, BotApi
from tests.standins.webhook import WebhookReceiver
from tests.support import eventually


@dataclass
class Site:
    """A server with a webhook `ops`, a Telegram chat `family`, and a webhook `pager` that fails."""

    cli: Cli
    ops: WebhookReceiver
    family: BotApi
    pager: WebhookReceiver

    async def run(self, *arguments: str) -> tuple[int, Any, str]:
        done = await anyio.to_thread.run_sync(lambda: self.cli.beside("drill", *arguments))
        return done.code, done.value if "--json" in arguments and done.out else done.out, done.err

    async def machines(self) -> list[Any]:
        return list(await beside(self.cli, "machines", "list"))


async def beside(cli: Cli, *arguments: str) -> Any:  # noqa: F811
    """A command's JSON, while the far ends go on."""
    return await anyio.to_thread.run_sync(lambda: cli.json(*arguments))


@asynccontextmanager
async def site(cli: Cli) -> AsyncIterator[Site]:  # noqa: F811
    async with WebhookReceiver() as ops, WebhookReceiver(fail_first=10**6) as pager, BotApi().serving() as family:
        cli.env |= {"LASTSEEN_TELEGRAM_API_URL": family.url, "TELEGRAM_BOT_TOKEN": TOKEN}
        for name, receiver in (("ops", ops), ("pager", pager)):
            add = ("channels", "add", "webhook", "--name", name, "--url", receiver.url)
            receiver.secret((await beside(cli, *add))["secret"])
        await beside(cli, "channels", "add", "telegram", "--name", "family", "--chat-id", "1")
        serving = cli.serving()
        await anyio.to_thread.run_sync(serving.__enter__)
        try:
            yield Site(cli, ops, family, pager)
        finally:  # not in this thread: what is being sent is answered here
            await anyio.to_thread.run_sync(serving.__exit__, None, None, None)


def told(receiver: WebhookReceiver) -> list[str | None]:
    return [message.type for message in receiver.messages if message.machine == "lastseen drill"]


async def test_each_channel_is_told_and_measured_and_one_that_fails_is_named(cli: Cli) -> None:  # noqa: F811
    async with site(cli) as here:
        code, result, err = await here.run("--timeout", "8s", "--json")
        assert (code, err) == (1, "")
        assert (result["ok"], result["alert"]["late_seconds"] < 8) == (False, True)
        found = {channel["name"]: channel for channel in result["channels"]}
        for name in ("ops", "family"):
            assert found[name]["ok"]
            for part in ("alert", "recovery"):
                assert found[name][part]["state"] == "delivered"
                assert 0 <= found[name][part]["seconds"] <= 8
        assert not found["pager"]["ok"]
        assert found["pager"]["alert"]["state"] == "pending"
        assert "500" in found["pager"]["alert"]["reason"]
        assert told(here.ops) == ["machine.offline", "machine.online"]
        alert, recovery = (message.text for message in here.family.messages)
        assert alert.startswith("🔴 lastseen drill offline since ")
        assert "A drill: nothing is wrong" in alert
        assert recovery.startswith("🟢 lastseen drill back after ")
        assert await here.machines() == []


async def test_a_drill_of_one_channel_bothers_nobody_else(cli: Cli) -> None:  # noqa: F811
    async with site(cli) as here:
        code, out, err = await here.run("--channel", "ops", "--timeout", "20s")
        assert (code, err) == (0, "")
        assert "ops (webhook): told, " in out
        assert out.rstrip().endswith("1 of 1 channels were reached. The canary is removed.")
        assert told(here.ops) == ["machine.offline", "machine.online"]
        assert (here.family.messages, here.pager.deliveries) == ([], [])
        done = await anyio.to_thread.run_sync(lambda: cli.beside("notifications", "list", "--state", "skipped"))
        assert "a drill for other channels" in done.out


async def test_what_channels_wish_counts_for_a_drill_as_for_an_alarm(cli: Cli) -> None:  # noqa: F811
    async with site(cli) as here:
        await beside(cli, "channels", "disable", "pager")
        hour = datetime.now(UTC).hour
        quiet = Preferences(quiet=Quiet(f"{hour:02}:00", f"{(hour + 2) % 24:02}:00", "UTC"))
        store = open_store(f"sqlite:///{cli.folder}/lastseen.db", migrate="check")
        async with HeartbeatMonitor(store).opened() as monitor:
            assert isinstance(store, Channels)
            assert isinstance(store, Wishes)
            uids = {channel.name: channel.uid for channel in await store.channels()}
            await store.prefer(uids["ops"], quiet, None, monitor.clock.now())
            only = Preferences(machines=Matcher(tags=("berlin",)))
            await store.prefer(uids["family"], only, None, monitor.clock.now())
        code, result, _ = await here.run("--timeout", "1m", "--json")
        found = {channel["name"]: channel for channel in result["channels"]}
        assert (code, set(found)) == (1, {"ops", "family"})
        assert (found["ops"]["alert"]["state"], found["ops"]["alert"]["reason"]) == ("pending", "held: quiet hours")
        assert (found["family"]["wanted"], found["family"]["alert"]["state"]) == (False, "skipped")
        assert 'tag "berlin"' in found["family"]["alert"]["reason"]
        code, result, _ = await here.run("--timeout", "1m", "--tag", "urgent", "--tag", "berlin", "--json")
        assert (code, result["ok"]) == (0, True)
        assert [told["alert"]["state"] for told in result["channels"]] == ["delivered", "delivered"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_cut_short_it_tells_that_it_is_over_and_leaves_nothing(cli: Cli, number: int) -> None:  # noqa: F811
    async with site(cli) as here:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lastseen", "drill"), env=dict(cli.environment()), stderr=asyncio.subprocess.PIPE
        )
        await eventually(lambda: told(here.ops) == ["machine.offline"])
        process.send_signal(number)
        _, err = await process.communicate()
        assert process.returncode == 1
        assert err.decode() == f"lastseen: stopped by {signal.Signals(number).name}; the canary is removed\n"
        await eventually(lambda: told(here.ops) == ["machine.offline", "machine.online"])
        assert await here.machines() == []


async def test_a_server_that_is_stopped_meanwhile_fails_the_drill_and_leaves_nothing(cli: Cli) -> None:  # noqa: F811
    async with site(cli) as here:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lastseen", "drill", "--channel", "ops", "--timeout", "3s"),
            env=dict(cli.environment()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert b"reports to" in await process.stdout.readline()
        log = cli.folder.parent / "serve.log"
        await eventually(lambda: '"machine.online"' in log.read_text())
        (pid,) = [int(line) for line in (cli.folder / "lastseen.db.serve.lock").read_text().splitlines()[:1]]
        os.kill(pid, signal.SIGSTOP)
        try:
            _, err = await process.communicate()
            assert process.returncode == 1
            assert "did not notice that the canary is silent, within 3.0 s" in err.decode()
            assert await here.machines() == []
        finally:
            os.kill(pid, signal.SIGCONT)


def test_without_a_server_it_says_so(cli: Cli) -> None:  # noqa: F811
    done = cli("drill")
    assert (done.code, done.out) == (1, "")
    assert "no server runs on this database" in done.err


def test_what_cannot_be_meant_is_refused_before_anything_is_made(cli: Cli) -> None:  # noqa: F811
    with cli.serving():
        done = cli.beside("drill", "--timeout", "1h")
        assert (done.code, done.err) == (1, "lastseen: --timeout: must be at most 5 min\n")
        assert "there is no channel" in cli.beside("drill").err
        assert "nobody" in cli.beside("drill", "--channel", "nobody").err
        assert cli.json("machines", "list") == []
        assert cli.json("events") == []


# -- what marks a canary

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def event(slug: str, *tags: str) -> Event:
    snapshot = {"machine": {"id": 1, "name": slug}, "slug": slug, "tags": list(tags)}
    return Event("uid", "machine.offline", Severity.ALERT, NOW, "silent", snapshot, machine_id=1)


@pytest.mark.parametrize(
    ("slug", "tags", "reasons"),
    [
        ("drill-1", tags_of(()), (None, None)),
        ("drill-1", tags_of({2}), ("a drill for other channels", None)),
        ("drill-1", tags_of({1, 2}), (None, None)),
        ("drill-1", ("drill-for:2",), (None, None)),
        ("db-01", tags_of({2}), (None, None)),
    ],
)
def test_only_a_canary_leaves_channels_out(slug: str, tags: tuple[str, ...], reasons: tuple[str | None, ...]) -> None:
    channels = [Channel(uid=str(number), name=str(number), type="webhook", id=number) for number in (1, 2)]
    assert tuple(unwanted(channel, event(slug, *tags), frozenset()) for channel in channels) == reasons


def test_what_a_drill_did_not_tell_in_time_is_told_to_nobody() -> None:
    drill, real = event("drill-1", "drill"), event("db-01", "drill")
    assert not is_over(drill.at, drill.snapshot, NOW + LASTS)
    assert is_over(drill.at, drill.snapshot, NOW + LASTS + timedelta(seconds=1))
    assert not is_over(real.at, real.snapshot, NOW + timedelta(days=1))


async def test_a_channel_that_works_again_too_late_is_not_told_of_a_drill(tmp_path: Path) -> None:
    clock, told = FakeClock(), list[str]()
    works = False

    async def far_end(message: Message) -> Retry | None:
        told.extend(event.type for event in message.events if works)
        return None if works else Retry("503")

    async with HeartbeatMonitor(f"sqlite:///{tmp_path}/x.db", notify={"ops": far_end}, clock=clock) as monitor:
        await monitor.watch("drill-1", group="drill", tags=["drill"])
        for slug in ("drill-1", "db-01"):
            await monitor.heartbeat(slug)
        await clock.advance("20m")
        works = True
        await clock.advance("20m")
        assert isinstance(monitor.store, History)
        rows = await monitor.store.notifications()
        assert told == ["machine.offline"]
        assert [row["state"] for row in rows if row["reason"] == "the drill is over"] == ["cancelled"]


async def test_the_canaries_of_drills_that_were_killed_go_with_the_next_one(tmp_path: Path) -> None:
    clock = FakeClock()
    async with HeartbeatMonitor(f"sqlite:///{tmp_path}/x.db", clock=clock, offline_after="never") as monitor:
        await monitor.watch("drill-old", group="drill", tags=["drill"])
        await monitor.watch("drill-press", group="drill", tags=["workshop"])
        for slug in ("drill-old", "drill-press"):
            await monitor.heartbeat(slug)
        await clock.advance("16m")
        await monitor.watch("drill-now", group="drill", tags=["drill"])
        await monitor.heartbeat("drill-now")
        assert await sweep_up(monitor) == 1
        assert set(await monitor.statuses(["drill-old", "drill-press", "drill-now"])) == {"drill-press", "drill-now"}
