"""Jobs from end to end: a real server, real HTTP, a chat behind the Bot API's rules; the nights pass by a clock that
the test turns."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx

from lastseen.app import App
from lastseen.ingest.auth import new_key, new_ping_uuid
from lastseen.listening import bind, url_of
from lastseen.serving import answer
from lastseen.settings import Settings
from lastseen.testing import FakeClock
from tests.secrecy import secret
from tests.standins.telegram import TOKEN, BotApi
from tests.support import eventually

NIGHTLY: dict[str, Any] = {"kind": "job", "schedule": "30 2 * * *", "timezone": "Europe/Berlin", "grace": "1h"}
BERLIN = {"timezone": "Europe/Berlin"}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass
class Night:
    """A server, the job's key and ping address, and what the chat was told."""

    app: App
    clock: FakeClock
    bot: BotApi
    url: str
    http: httpx.AsyncClient
    key: str
    ping: str

    async def say(self, **report: Any) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        assert (await self.http.post("/api/v1/heartbeat", json=report, headers=headers)).status_code == 204
        await self.clock.advance("5s")

    async def call(self, path: str = "", body: str = "") -> None:
        answered = await self.http.post(f"/ping/{self.ping}{path}", content=body)
        assert answered.status_code == 200, answered.text
        await self.clock.advance("5s")

    async def until(self, moment: str) -> None:
        await self.clock.advance(utc(moment) - self.clock.now())

    async def first_told(self, moment: str) -> list[list[str]]:
        """What is told at this moment, before which nothing was."""
        at = utc(moment)
        await self.clock.advance(at - timedelta(seconds=5) - self.clock.now())
        assert self.told() == []
        await self.clock.advance("15s")
        return self.told()

    def told(self) -> list[list[str]]:
        return [message.text.splitlines() for message in self.bot.messages]

    async def types(self) -> list[tuple[str, str]]:
        events = await self.app.store.events(limit=50)  # type: ignore[attr-defined]
        return [(one["type"].removeprefix("machine."), one["reason"]) for one in reversed(events)][1:]


@asynccontextmanager
async def opened(folder: Path, start: str) -> AsyncIterator[tuple[App, FakeClock, BotApi]]:
    """A server that does not run yet, over the file in this folder."""
    clock = FakeClock(utc(start))
    async with BotApi(secret(TOKEN), chats=(1,), limits=False).serving() as bot:
        settings = Settings.load(data_dir=folder, telegram_bot_token=TOKEN, telegram_api_url=bot.url, **BERLIN)
        app = App(settings, clock=clock)
        store: Any = app.store
        await store.open()
        yield app, clock, bot
        await store.close()


@asynccontextmanager
async def night(folder: Path, start: str, **changes: Any) -> AsyncIterator[Night]:
    async with opened(folder, start) as (app, clock, bot):
        store: Any = app.store
        await store.add_channel("telegram", "ops", {"chat_id": 1}, {"token": TOKEN}, "telegram", clock.now())
        status = await app.monitor.watch("backup-nas", expect="new", **{**NIGHTLY, **changes})
        key, ping = new_key("machine"), new_ping_uuid()
        await store.add_key("machine", key.digest, key.hint, clock.now(), machine_id=status.id)
        await store.add_key("ping", ping.digest, ping.hint, clock.now(), machine_id=status.id)
        stop = asyncio.Event()
        limits = httpx.Limits(max_keepalive_connections=0)
        with bind("127.0.0.1", 0) as listener:
            url = url_of(listener)
            async with anyio.create_task_group() as tasks, httpx.AsyncClient(base_url=url, limits=limits) as client:
                tasks.start_soon(answer, app, listener, stop)
                try:
                    await eventually(lambda: app.accepting)
                    yield Night(app, clock, bot, url, client, secret(key.text), secret(ping.text))
                finally:
                    stop.set()


async def test_every_failed_run_is_told_and_the_success_that_ends_it(tmp_path: Path) -> None:
    async with night(tmp_path, "2026-11-16T01:30") as s:
        run = str(uuid.uuid4())
        await s.say(status="start", run=run)
        await s.until("2026-11-16T01:44:05")
        await s.say(status="ok", run=run, exit_code=0, output="done")
        for day in (17, 18, 19):
            await s.until(f"2026-11-{day}T01:30")
            await s.say(status="start", run=(run := str(uuid.uuid4())))
            await s.until(f"2026-11-{day}T01:44:05")
            await s.say(status="error", run=run, exit_code=2, output="reading\nno space left on device\n")
        await s.until("2026-11-20T01:30")
        await s.say(status="ok")
        assert s.told() == [
            ["🔴 backup-nas failed (exit 2) after 14 min", "no space left on device", "Last success: yesterday 02:44."],
            [
                "🔴 backup-nas failed (exit 2) after 14 min",
                "no space left on device",
                "Second night in a row. Last success: Mon 02:44.",
            ],
            [
                "🔴 backup-nas failed (exit 2) after 14 min",
                "no space left on device",
                "Third night in a row. Last success: Mon 02:44.",
            ],
            ["🟢 backup-nas OK again after 2 d 23 h"],
        ]
        assert await s.types() == [
            ("online", "ok"),
            ("error", "error"),
            ("error", "error"),
            ("error", "error"),
            ("online", "ok"),
        ]


async def test_a_run_that_does_not_end_is_an_outage_and_its_late_end_is_told(tmp_path: Path) -> None:
    async with night(tmp_path, "2026-11-16T01:30", max_runtime="2h") as s:
        await s.call("/start")
        await s.until("2026-11-16T01:44:05")
        await s.call(body="done")
        await s.until("2026-11-17T01:30")
        await s.call("/start")
        assert await s.first_told("2026-11-17T03:30") == [
            ["🔴 backup-nas started 02:30, not finished", "2 h allowed, usually 14 min."]
        ]
        await s.until("2026-11-17T04:42:05")
        await s.call()
        assert s.told()[1:] == [["🟢 backup-nas finished after 3 h 12 min"]]
        assert s.bot.messages[1].reply_to == s.bot.messages[0].message_id
        assert await s.types() == [("online", "ok"), ("offline", "run"), ("online", "ok")]


async def test_a_run_that_is_missed_is_told_with_the_time_it_was_due(tmp_path: Path) -> None:
    async with night(tmp_path, "2026-11-16T01:30") as s:
        await s.call()
        assert await s.first_told("2026-11-17T02:30") == [
            ["🔴 backup-nas did not run: due 02:30", "Waited until 03:30. Last success: yesterday 02:30."]
        ]
        await s.until("2026-11-17T09:00")
        await s.call()
        assert s.told()[1][0].startswith("🟢 backup-nas back after 1 d 7 h")
        await s.until("2026-11-18T02:00")
        assert len(s.told()) == 2
        assert await s.types() == [("online", "ok"), ("offline", "silent"), ("online", "ok")]


async def test_the_night_on_which_clocks_go_forward_says_so(tmp_path: Path) -> None:
    async with night(tmp_path, "2026-03-28T01:30") as s:
        await s.call()
        assert await s.first_told("2026-03-29T02:30") == [
            [
                "🔴 backup-nas did not run: due 03:30",
                "Waited until 04:30. Last success: yesterday 02:30.",
                "02:30 did not exist tonight; some schedulers skip it.",
            ]
        ]


async def test_the_night_on_which_clocks_go_back_blames_neither_the_first_nor_the_second(tmp_path: Path) -> None:
    for number, came in enumerate(("00:30", "01:30")):
        async with night(tmp_path / str(number), "2026-10-24T00:30") as s:
            await s.call()
            await s.until(f"2026-10-25T{came}")
            await s.call()
            told = await s.first_told("2026-10-26T02:30")
            assert told[0][0] == "🔴 backup-nas did not run: due 02:30"


async def test_what_comes_five_minutes_early_is_the_coming_run(tmp_path: Path) -> None:
    async with night(tmp_path, "2026-11-16T01:25") as s:
        await s.call()
        await s.until("2026-11-16T12:00")
        assert s.told() == []
        await s.until("2026-11-17T01:24:50")
        await s.call()
        await s.until("2026-11-17T02:30:10")
        assert s.told()[0][0] == "🔴 backup-nas did not run: due 02:30", "ten seconds more is too early"


async def test_our_own_stop_is_not_held_against_a_job(tmp_path: Path) -> None:
    async with night(tmp_path, "2026-11-16T01:30") as s:
        await s.call()
        await s.until("2026-11-17T01:00")
    async with again(tmp_path, "2026-11-17T08:00") as (clock, bot):
        await clock.advance("59m")
        [deaf] = bot.messages
        assert deaf.text.splitlines()[1] == "I was not running. 1 machine was held."
        await clock.advance("2m")
        told = [message.text.splitlines()[0] for message in bot.messages[1:]]
        assert told == ["🔴 backup-nas did not run: due 02:30"]


@asynccontextmanager
async def again(folder: Path, start: str) -> AsyncIterator[tuple[FakeClock, BotApi]]:
    """The same server, hours later."""
    async with opened(folder, start) as (app, clock, bot), app.running():
        yield clock, bot


async def test_the_wrapper_tells_a_real_server_of_a_real_command(tmp_path: Path) -> None:
    async with night(tmp_path, "2026-11-16T01:30") as s:
        (tmp_path / "key").write_text(s.key)
        by_key = ["--server", s.url, "--key-file", str(tmp_path / "key")]
        assert await wrapped([*by_key, "--", "sh", "-c", "echo reading; echo no space left; exit 3"]) == 3
        await s.clock.advance("5s")
        assert await wrapped(["--ping-url", f"{s.url}/ping/{s.ping}", "--", "echo", "fine"]) == 0
        await s.clock.advance("5s")
        assert [lines[:2] for lines in s.told()] == [
            ["🔴 backup-nas failed (exit 3)", "no space left"],
            ["🟢 backup-nas OK again after 5 s"],
        ]
        store: Any = s.app.store
        runs = await store.runs("backup-nas")
    assert [(run["outcome"], run["last_line"], run["started_at"] is not None) for run in runs] == [
        ("success", "fine", True),
        ("fail", "no space left", True),
    ]
    assert runs[1]["exit_code"] == 3


async def wrapped(arguments: list[str]) -> int:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LASTSEEN_")}
    process = await anyio.run_process(
        [sys.executable, "-m", "lastseen", "run", *arguments],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stderr == b""
    return process.returncode
