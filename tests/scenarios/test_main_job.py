"""The main job with every real part: server, agent, a signed webhook, a Telegram chat behind the Bot API's rules."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.scenarios.harness import Server, fleet, rows, server
from tests.secrecy import secret
from tests.standins.telegram import TOKEN, BotApi
from tests.standins.webhook import WebhookReceiver
from tests.support import eventually


@contextmanager
def agent(serve: Server, key: str, folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real `lastseen agent`, killed at the end."""
    key_file = folder / "agent.key"
    key_file.write_text(key)
    command = [sys.executable, "-m", "lastseen", "agent", "--server", serve.url, "--key-file", str(key_file)]
    process = subprocess.Popen(
        [*command, "--interval", "300ms", *options],
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@dataclass
class Site:
    """A server with one machine and two channels: "pager" is a webhook, "ops" a chat."""

    key: str
    receiver: WebhookReceiver
    bot: BotApi
    serve: Server

    async def beat(self, **report: str) -> None:
        assert await self.serve.beat(self.key, report or None) == 204

    async def told(self, count: int) -> None:
        """So many messages have come by each channel, in all."""
        await eventually(lambda: len(self.receiver.messages) >= count <= len(self.bot.messages))

    async def channel(self, name: str) -> Any:
        (found,) = [channel for channel in await self.serve.cli("channels", "list") if channel["name"] == name]
        return found


@asynccontextmanager
async def site(folder: Path, chat: int = 1) -> AsyncIterator[Site]:
    (key,) = (await fleet(folder, 1)).values()
    async with WebhookReceiver() as receiver, BotApi(secret(TOKEN), chats=(1, chat)).serving() as bot:
        env = {"TELEGRAM_BOT_TOKEN": TOKEN, "LASTSEEN_TELEGRAM_API_URL": bot.url, "LASTSEEN_GOODBYE_GRACE": "500ms"}
        async with server(folder, **env) as serve:
            await serve.cli("db", "check")
            added = await serve.cli("channels", "add", "webhook", "--name", "pager", "--url", receiver.url)
            receiver.secret(secret(added["secret"]))
            await serve.cli("channels", "add", "telegram", "--name", "ops", f"--chat-id={chat}")
            await serve.start()
            yield Site(key, receiver, bot, serve)


UNFINISHED = "SELECT 1 FROM notifications WHERE state IN ('pending', 'sending')"


async def status(folder: Path, wanted: str) -> None:
    await eventually(lambda: rows(folder, "SELECT status FROM liveness") == [(wanted,)])


async def test_a_silent_machine_is_told_once_by_each_channel_and_so_is_its_return(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        with agent(s.serve, s.key, tmp_path):
            await status(tmp_path, "online")
        await s.told(1)
        with agent(s.serve, s.key, tmp_path, "--goodbye") as running:
            await s.told(2)
            running.send_signal(signal.SIGTERM)
            await s.told(3)
        await s.beat(status="error", message="tank level sensor stuck")
        await s.told(4)
        await s.beat(status="ok")
        await s.told(5)
    assert [m.type for m in s.receiver.messages[:5]] == [
        "machine.offline",
        "machine.online",
        "machine.offline",
        "machine.error",
        "machine.online",
    ]
    assert s.receiver.repeats == 0
    assert not s.receiver.refused
    alert, back, gone, error, end = s.bot.messages[:5]  # silent again by now, perhaps
    assert alert.text.startswith("🔴 m0 offline since")
    assert (back.reply_to, back.silent) == (alert.message_id, True)
    assert "(said goodbye)" in gone.text
    assert error.text.startswith("🟠 m0: tank level sensor stuck")
    assert end.reply_to == gone.message_id
    reasons = [reason for (reason,) in rows(tmp_path, "SELECT reason FROM events WHERE type = 'machine.offline'")]
    assert reasons[:2] == ["silent", "goodbye"]


async def test_trouble_at_telegram_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        s.bot.fail(2)
        await s.beat()
        await eventually(lambda: len(s.receiver.messages) == 1)
        await s.beat()
        await s.serve.cli("machines", "pause", "m0")  # silent again it would be news, and told later
        await eventually(lambda: not rows(tmp_path, UNFINISHED))
    told = " ".join(message.text for message in s.bot.messages)
    assert "Told late" in told or "back after" in told or "was offline" in told
    states = dict(rows(tmp_path, "SELECT state, count(*) FROM notifications GROUP BY 1"))
    assert set(states) <= {"delivered", "skipped"}
    assert s.receiver.repeats == 0


async def test_a_chat_that_is_gone_and_a_url_that_is_gone_are_told_to_the_other(tmp_path: Path) -> None:
    async with site(tmp_path) as s:
        s.bot.state(1, "blocked")
        await s.beat()
        await eventually(lambda: "channel.failing" in [m.type for m in s.receiver.messages])
        ops = await s.channel("ops")
        assert (ops["enabled"], ops["disabled_by"]) == (False, "far_end")
        s.bot.state(1, "ok")
        await s.serve.cli("channels", "enable", "ops")
        s.receiver.fail_first, s.receiver.how = 10_000, "410"
        await s.beat()
        await eventually(lambda: any('"pager"' in m.text for m in s.bot.messages))
        pager = await s.channel("pager")
        assert (pager["enabled"], pager["disabled_by"]) == (False, "far_end")


async def test_a_rotated_secret_and_a_migrated_chat_are_followed_by_the_running_server(tmp_path: Path) -> None:
    async with site(tmp_path, chat=-5) as s:
        s.bot.state(-5, "migrated", -1005)
        await s.beat()
        await s.told(1)
        assert s.bot.messages[0].chat_id == -1005

        async def followed() -> bool:
            return bool((await s.channel("ops"))["config"]["chat_id"] == -1005)

        await eventually(followed)  # noted after the message was taken
        rotated = await s.serve.cli("channels", "rotate-secret", "pager", "--keep", "1h")
        await s.beat()
        await eventually(lambda: len(s.receiver.messages) >= 2)  # the old secret signs too
        s.receiver.secret(secret(rotated["secret"]))
        await eventually(lambda: len(s.receiver.messages) >= 3)  # silent again, by the new one
    assert not s.receiver.refused


async def test_a_lost_key_locks_those_channels_and_stops_nothing_else(tmp_path: Path) -> None:
    (key,) = (await fleet(tmp_path, 1)).values()
    async with WebhookReceiver() as receiver, server(tmp_path) as serve:
        added = await serve.cli("channels", "add", "webhook", "--name", "pager", "--url", receiver.url)
        receiver.secret(secret(added["secret"]))
        await serve.cli("channels", "add", "console", "--name", "here")
        for file in tmp_path.glob("*.key"):
            file.unlink()
        await serve.start()
        assert await serve.beat(key) == 204
        await eventually(lambda: "m0 offline since" in serve.log.read_text())
        assert receiver.messages == []
        assert serve.log.read_text().count("channel_without_notifier") == 1
