"""What the Bot API may do to us, over real HTTP and through the real outbox, in virtual time: what is told and how
often, how long is waited, and what becomes of the channel."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from lastseen import HeartbeatMonitor
from lastseen.notifiers import telegram_bot
from lastseen.notifiers.telegram import Telegram
from lastseen.notifiers.tools import Tools
from lastseen.testing import FakeClock, RecordingNotifier
from lastseen.testing.http_server import Answer
from tests.scenarios.harness import rows
from tests.standins.telegram import TOKEN, BotApi
from tests.standins.telegram_line import Line

CHAT = -7
OFFLINE, ONLINE = "🔴 pump offline since 12:00", "🟢 pump"
READ_TIMEOUT = telegram_bot.READ_TIMEOUT


@dataclass
class World:
    """A monitor with a bot's chat and another channel, and the line to the Bot API."""

    line: Line
    clock: FakeClock
    chat: Telegram
    other: RecordingNotifier
    monitor: HeartbeatMonitor
    path: Path
    patch: pytest.MonkeyPatch

    @property
    def api(self) -> BotApi:
        return self.line.api

    @property
    def heard(self) -> list[str]:
        """The first lines of what is in the chats, in their order."""
        return [sent.text.partition("\n")[0] for sent in self.api.messages]

    @property
    def told_elsewhere(self) -> list[str]:
        return [message.event.type for message in self.other.messages if message.event.type != "machine.online"]

    def row(self, type_: str = "machine.offline") -> tuple[Any, ...]:
        found = rows(self.path, ROW.format(type=type_))
        return found[-1] if found else ()

    async def hurry(self, wait: float) -> None:
        """How long an answer is waited for, in real time."""
        self.patch.setattr(telegram_bot, "READ_TIMEOUT", wait)
        self.patch.setattr(telegram_bot, "CONNECT_TIMEOUT", wait)
        await self.chat.close()  # the next call makes another line


ROW = """
SELECT n.state, s.failures, c.enabled, a.detail, round((julianday(s.ready_at) - julianday(a.finished_at)) * 86400, 2)
FROM notifications n JOIN channels c ON c.id = n.channel_id JOIN channel_state s ON s.channel_id = c.id
JOIN delivery_attempt_items i ON i.notification_id = n.id JOIN delivery_attempts a ON a.id = i.attempt_id
JOIN events e ON e.id = n.event_id
WHERE c.name = 'chat' AND a.finished_at IS NOT NULL AND e.type = '{type}' ORDER BY a.id
"""
LEFT = "SELECT DISTINCT state FROM notifications WHERE state NOT IN ('delivered', 'skipped')"
"""The first heartbeat is skipped: it is told to nobody."""


@contextlib.asynccontextmanager
async def living(folder: Path, patch: pytest.MonkeyPatch, tls: bool = False) -> AsyncIterator[World]:
    clock, other = FakeClock(), RecordingNotifier()
    api = BotApi(chats=(CHAT,), monotonic=clock.monotonic)
    async with Line(api, folder, patch, tls) as line, httpx.AsyncClient() as http:
        chat = Telegram(Telegram.Config(token=SecretStr(TOKEN), chat_id=CHAT, api_url=line.url), Tools(http, clock))
        path = folder / "lastseen.db"
        notify = {"chat": chat, "other": other}
        async with HeartbeatMonitor(f"sqlite:///{path}", notify=notify, clock=clock) as monitor:
            await monitor.heartbeat("pump")
            await clock.advance("1m")
            yield World(line, clock, chat, other, monitor, path, patch)


Step = Callable[[World], Awaitable[Any] | None]


async def do(step: Step, world: World) -> None:
    done = step(world)
    if inspect.isawaitable(done):
        await done


@dataclass(frozen=True)
class Trouble:
    """`begins` before the alert, `ends` when it was tried once. `state`: of the alert's row in between, the failures of
    its channel, and whether that is on. `wait`: seconds that the channel is left alone. `times`: how often the alert is
    in the chat in the end; where it was perhaps delivered it is said again."""

    begins: Step
    said: str = ""
    state: tuple[str, int, int] = ("pending", 1, 1)
    wait: float | None = 5
    times: int = 1
    ends: Step = lambda world: setattr(world.api, "otherwise", None)
    tls: bool = False


def always(*given: Any, **changes: Any) -> Step:
    return lambda world: setattr(world.api, "otherwise", Answer(*given, **changes))


def error(code: int, description: str, **parameters: Any) -> Answer:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return Answer.of_json({**body, "parameters": parameters} if parameters else body, code)


def refuses(code: int, description: str, **parameters: Any) -> Step:
    return lambda world: setattr(world.api, "otherwise", error(code, description, **parameters))


def loses(answer: Answer) -> Step:
    """It does what it was asked, and then answers this."""
    return lambda world: world.api.lost.append(answer)


def hurried(step: Step) -> Step:
    async def begins(world: World) -> None:
        await world.hurry(0.4)
        await do(step, world)

    return begins


async def patient_again(world: World) -> None:
    world.api.otherwise = None
    await world.hurry(READ_TIMEOUT)


def shows(kind: str) -> Step:
    async def changes(world: World) -> None:
        world.line.certificate(kind)
        await world.chat.close()

    return changes


def becomes(state: str, moved_to: int | None = None) -> Step:
    return lambda world: world.api.state(CHAT, state, moved_to)


WELL, WRONG, GONE = ("delivered", 0, 1), ("pending", 0, 1), ("dead", 0, 0)
HTML = b"<html><h1>502 Bad Gateway</h1></html>"
PROXY = (400, 401, 403, 404, 407, 409)
TOLD = b'{"ok":true,"result":{"message_id":7,"date":1,"chat":{"id":1,"type":"private"},"text":"x"}}'
PERHAPS = "no answer in time: perhaps it was delivered"
UNREACHED = "cannot reach Telegram: "

TROUBLE: dict[str, Trouble] = {
    "slow": Trouble(lambda world: setattr(world.api, "slow", 0.2), "", WELL, None),
    "never answers": Trouble(hurried(always(hang=True)), PERHAPS, ends=patient_again),
    "takes it and never answers": Trouble(hurried(loses(Answer(hang=True))), PERHAPS, times=2, ends=patient_again),
    "resets": Trouble(always(reset=True), UNREACHED),
    "takes it and resets": Trouble(loses(Answer(reset=True)), UNREACHED, times=2),
    "500": Trouble(always(500, b"{}"), UNREACHED + "internal Server Error"),
    "500 and JSON": Trouble(refuses(500, "Internal Server Error"), UNREACHED + "internal Server Error"),
    "502 and HTML": Trouble(always(502, HTML), UNREACHED + "bad Gateway (502)"),
    "503 and nothing": Trouble(always(503, b""), UNREACHED + "service Unavailable"),
    "429 for a minute": Trouble(refuses(429, "Too Many Requests", retry_after=60), "wait 60 s", wait=60),
    "429 for a day": Trouble(refuses(429, "Too Many Requests", retry_after=86400), "wait 86400 s", wait=3600),
    "429 without a time": Trouble(refuses(429, "Too Many Requests"), "429, too many messages"),
    "429 and HTML": Trouble(always(429, HTML), "429, too many messages"),
    "429 for ever": Trouble(always(429, b'{"parameters": {"retry_after": 1e999}}'), "wait 86400 s", wait=3600),
    "429 for no number": Trouble(always(429, b'{"parameters": {"retry_after": NaN}}'), "429, too many messages"),
    "401": Trouble(refuses(401, "Unauthorized"), "401, the bot token is wrong"),
    "404": Trouble(refuses(404, "Not Found"), "401, the bot token is wrong"),
    "blocked": Trouble(becomes("blocked"), "403, forbidden: bot was blocked by the user", GONE, None, 0),
    "kicked": Trouble(becomes("kicked"), "403, forbidden: bot was kicked", GONE, None, 0),
    "deactivated": Trouble(becomes("deactivated"), "403, forbidden: user is deactivated", GONE, None, 0),
    "no such chat": Trouble(lambda world: world.api.chats.clear(), "400, chat not found", GONE, None, 0),
    "moved": Trouble(becomes("migrated", -1007), "", WELL, None),
    "400 of another kind": Trouble(refuses(400, "Bad Request: peer_flood"), "400, peer_flood", WRONG, None),
    "a body without an end": Trouble(always(200, b"x" * 65536, endless=True), "the answer has no end"),
    "an error without an end": Trouble(always(500, b"x" * 65536, endless=True), "the answer has no end"),
    "byte by byte for ever": Trouble(hurried(always(200, b"x", drip=0.05, endless=True)), PERHAPS, ends=patient_again),
    "no JSON": Trouble(always(200, b"all is well"), "invalid server response"),
    "half of it": Trouble(always(200, TOLD[:40]), "invalid server response"),
    "less than it said": Trouble(always(200, TOLD, {"content-length": "4000"}), UNREACHED),
    "takes it and is cut off": Trouble(loses(Answer(200, TOLD, {"content-length": "4000"})), UNREACHED, times=2),
    "JSON of another kind": Trouble(always(200, b"[1, 2]"), "invalid server response"),
    "JSON without an end": Trouble(always(200, b"[" * 100_000), "while sending"),
    "no result": Trouble(always(200, b'{"ok": true}'), "invalid server response"),
    "a result of another kind": Trouble(always(200, b'{"ok": true, "result": 7}'), "while sending"),
    "packed": Trouble(always(200, b"\x1f\x8bnonsense", {"content-encoding": "gzip"}), "invalid server response"),
    **{f"{code} of a proxy": Trouble(always(code, HTML), f"{code}, but not by the Bot API") for code in PROXY},
    "an error that is no object": Trouble(always(400, b"[]"), "400, but not by the Bot API"),
    "nobody there": Trouble(lambda world: world.line.down(), UNREACHED, ends=lambda world: world.line.up()),
    "no such name": Trouble(
        lambda world: setattr(world.line, "resolves", False),
        UNREACHED,
        ends=lambda world: setattr(world.line, "resolves", True),
    ),
    **{
        f"certificate: {kind}": Trouble(
            shows(kind), UNREACHED + "connectError: [SSL: CERTIFICATE_VERIFY_FAILED]", ends=shows(""), tls=True
        )
        for kind in ("self-signed", "expired", "other name")
    },
}


@pytest.mark.parametrize("name", sorted(TROUBLE))
async def test_what_becomes_of_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = TROUBLE[name]
    async with living(tmp_path, monkeypatch, trouble.tls) as world:
        await do(trouble.begins, world)
        await world.clock.advance("64s")  # offline at 2 min, told 2 s later, and not yet tried again
        assert trouble.said in (world.row()[3] or "")
        assert (world.row()[:3], world.row()[4]) == (trouble.state, trouble.wait)
        await do(trouble.ends, world)
        await world.clock.advance("2h")
        assert [heard.partition(" (")[0] for heard in world.heard] == [OFFLINE] * trouble.times
        await world.monitor.heartbeat("pump")
        await world.clock.advance("1m")
    gone = trouble.state is GONE
    assert world.heard[trouble.times :] == ([] if gone else ["🟢 pump back after 2 h 2 min"])
    assert world.told_elsewhere == ["machine.offline"] + ["channel.failing"] * (gone or trouble.wait == 3600)
    assert rows(world.path, LEFT) == ([("dead",)] if gone else [])
