"""A stand-in for Telegram's Bot API over real HTTP, with its documented limits and errors.

In a test: `async with BotApi(TOKEN).serving() as api: api.url`. As a process, for scenarios:
`python -m tests.standins.telegram --token T --chat 1 [--port 0]` prints one JSON line with its address, then one for
each message that arrives; `POST /control` calls the methods that a JSON object names: `{"state": [1, "blocked"]}`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from html import unescape
from typing import Any, Self

from lastseen.testing.http_server import Answer, Received, http_server

TOKEN = "123456789:AAF-standin_token_0123456789abcdefgh"
TAGS = {
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "a",
    "code",
    "pre",
    "blockquote",
    "tg-spoiler",
    "span",
}
LONGEST = 4096
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


class Refused(Exception):
    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code, self.parameters = code, parameters


@dataclass
class Chat:
    id: int
    state: str = "ok"  # ok, blocked, kicked, deactivated, migrated
    moved_to: int | None = None
    times: deque[float] = field(default_factory=lambda: deque(maxlen=1000))

    @property
    def is_group(self) -> bool:
        return self.id < 0


@dataclass(frozen=True)
class Sent:
    message_id: int
    chat_id: int
    text: str  # after its entities were parsed
    raw: str
    parse_mode: str | None
    silent: bool
    reply_to: int | None
    thread_id: int | None
    at: float


class BotApi:
    """One bot and the chats it knows. `limits` enforces how often it may send; `parser` how HTML is parsed."""

    def __init__(self, token: str = TOKEN, chats: tuple[int, ...] = (1,), limits: bool = True) -> None:
        self.token, self.limits = token, limits
        self.chats = {number: Chat(number) for number in chats}
        self.messages: list[Sent] = []
        self.edits: list[tuple[int, int, str]] = []
        self.calls: list[str] = []
        self.trouble: deque[Answer] = deque()
        self.rejects_all_html = False
        self.url = ""
        self.told: Callable[[Sent], None] = lambda sent: None
        self._times: deque[float] = deque(maxlen=30)
        self._updates: list[dict[str, Any]] = []
        self._next = 100
        self._arrived = asyncio.Event()
        self._poller: asyncio.Event | None = None

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[Self]:
        async with http_server(self.handle, port=port) as self.url:
            yield self

    # -- what a test may do

    def state(self, chat: int, state: str, moved_to: int | None = None) -> None:
        self.chats[chat].state, self.chats[chat].moved_to = state, moved_to
        if moved_to is not None:
            self.chats[moved_to] = Chat(moved_to)

    def fail(self, times: int, status: int = 502, reset: bool = False, hang: bool = False) -> None:
        """The next calls fail: with a status, by a reset, or without an answer."""
        body = b"<html>Bad Gateway</html>"
        self.trouble.extend([Answer(status, body, reset=reset, hang=hang)] * times)

    def say(self, chat: int, text: str, thread: int | None = None) -> None:
        """Somebody writes to the bot."""
        kind: dict[str, Any] = (
            {"type": "private", "first_name": "Ada"} if chat > 0 else {"type": "supergroup", "title": "Ops"}
        )
        message = {"message_id": self._number(), "date": int(time.time()), "text": text, "chat": {"id": chat, **kind}}
        if thread is not None:
            message |= {"message_thread_id": thread, "is_topic_message": True}
        self.chats.setdefault(chat, Chat(chat))
        self._updates.append({"update_id": self._number(), "message": message})
        self._arrived.set()

    # -- the API

    async def handle(self, request: Received) -> Answer:
        if request.path == "/control":
            for name, arguments in request.json.items():
                getattr(self, name)(*arguments)
            return Answer.of_json({"ok": True})
        if self.trouble:
            return self.trouble.popleft()
        try:
            return Answer.of_json({"ok": True, "result": await self._call(request)})
        except Refused as refused:
            body = {"ok": False, "error_code": refused.code, "description": str(refused)}
            if refused.parameters:
                body["parameters"] = refused.parameters
            return Answer.of_json(body, refused.code)

    async def _call(self, request: Received) -> Any:
        match = re.fullmatch(r"/bot([^/]+)/(\w+)", request.path)
        if match is None or not re.fullmatch(r"\d+:[\w-]+", match[1]):
            raise Refused(404, "Not Found")
        if match[1] != self.token:
            raise Refused(401, "Unauthorized")
        method = getattr(self, f"_{match[2].lower()}", None)
        if method is None:
            raise Refused(404, "Not Found: method not found")
        self.calls.append(match[2])
        given = request.json if "json" in request.headers.get("content-type", "") else request.form
        return await method({**request.query, **given})

    async def _getme(self, _: dict[str, Any]) -> Any:
        number = int(self.token.partition(":")[0])
        return {"id": number, "is_bot": True, "first_name": "Last seen", "username": "lastseen_bot"}

    async def _getupdates(self, given: dict[str, Any]) -> Any:
        if self._poller is not None:
            self._poller.set()  # the earlier call loses
        mine = self._poller = asyncio.Event()
        try:
            deadline = time.monotonic() + float(given.get("timeout") or 0)
            while True:
                self._updates = [u for u in self._updates if u["update_id"] >= int(given.get("offset") or 0)]
                left = deadline - time.monotonic()
                if self._updates or left <= 0:
                    return self._updates
                self._arrived.clear()
                waits = [asyncio.ensure_future(event.wait()) for event in (self._arrived, mine)]
                await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
                if mine.is_set():
                    raise Refused(409, CONFLICT)
        finally:
            if self._poller is mine:
                self._poller = None

    async def _sendmessage(self, given: dict[str, Any]) -> Any:
        chat = self._chat(given)
        text, shown = given.get("text") or "", self._parsed(given)
        self._limit(chat)
        reply = json.loads(given["reply_parameters"]) if given.get("reply_parameters") else {}
        reply_to = reply.get("message_id")
        if reply_to is not None and not any(m.message_id == reply_to and m.chat_id == chat.id for m in self.messages):
            if not reply.get("allow_sending_without_reply"):
                raise Refused(400, "Bad Request: message to be replied not found")
            reply_to = None
        thread = given.get("message_thread_id")
        sent = Sent(
            message_id=self._number(),
            chat_id=chat.id,
            text=shown,
            raw=text,
            parse_mode=given.get("parse_mode"),
            silent=str(given.get("disable_notification", "")).lower() == "true",
            reply_to=reply_to,
            thread_id=int(thread) if thread else None,
            at=time.time(),
        )
        self.messages.append(sent)
        self.told(sent)
        return self._message(sent.message_id, chat, shown)

    async def _editmessagetext(self, given: dict[str, Any]) -> Any:
        chat, shown, number = self._chat(given), self._parsed(given), int(given.get("message_id") or 0)
        before = [m for m in self.messages if m.message_id == number and m.chat_id == chat.id]
        if not before:
            raise Refused(400, "Bad Request: message to edit not found")
        latest = next((text for c, n, text in reversed(self.edits) if (c, n) == (chat.id, number)), before[0].text)
        if latest == shown:
            raise Refused(
                400, "Bad Request: message is not modified: specified new message content is exactly the same"
            )
        self.edits.append((chat.id, number, shown))
        return self._message(number, chat, shown)

    # -- its rules

    def _chat(self, given: dict[str, Any]) -> Chat:
        try:
            chat = self.chats[int(given.get("chat_id") or 0)]
        except (KeyError, ValueError):
            raise Refused(400, "Bad Request: chat not found") from None
        if chat.state == "migrated":
            raise Refused(
                400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.moved_to
            )
        told = {
            "blocked": "Forbidden: bot was blocked by the user",
            "kicked": "Forbidden: bot was kicked from the supergroup chat",
            "deactivated": "Forbidden: user is deactivated",
        }
        if chat.state in told:
            raise Refused(403, told[chat.state])
        return chat

    def _parsed(self, given: dict[str, Any]) -> str:
        text = given.get("text") or ""
        shown = parse_html(text) if (given.get("parse_mode") or "").upper() == "HTML" else text
        if self.rejects_all_html and given.get("parse_mode"):
            raise Refused(400, "Bad Request: can't parse entities: nothing is good enough at byte offset 0")
        if not shown.strip():
            raise Refused(400, "Bad Request: message text is empty")
        if len(shown.encode("utf-16-le")) // 2 > LONGEST:
            raise Refused(400, "Bad Request: message is too long")
        return shown

    def _limit(self, chat: Chat) -> None:
        """30 a second in all; about one a second in a chat, with a short burst; 20 a minute in a group."""
        if not self.limits:
            return
        now = time.monotonic()
        waits = [0.0]
        if len(self._times) == 30:
            waits.append(self._times[0] + 1 - now)
        if len(chat.times) >= 3:
            waits.append(chat.times[-3] + 2 - now)
        if chat.is_group and len(chat.times) >= 20:
            waits.append(chat.times[-20] + 60 - now)
        if max(waits) > 0:
            seconds = int(max(waits)) + 1
            raise Refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        self._times.append(now)
        chat.times.append(now)

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _message(self, number: int, chat: Chat, text: str) -> dict[str, Any]:
        kind = "supergroup" if chat.is_group else "private"
        return {"message_id": number, "date": int(time.time()), "chat": {"id": chat.id, "type": kind}, "text": text}


def parse_html(text: str) -> str:
    """The text behind the tags; Refused as Telegram refuses what it cannot parse."""
    open_: list[str] = []

    def refuse(what: str, offset: int) -> Refused:
        return Refused(400, f"Bad Request: can't parse entities: {what} at byte offset {len(text[:offset].encode())}")

    shown, place = [], 0
    for match in re.finditer(r"<([^>]*)>?", text):
        shown.append(text[place : match.start()])
        place = match.end()
        tag = re.fullmatch(r"(/?)([a-zA-Z0-9-]+)((?:\s+[a-z-]+(?:=\"[^\"]*\"|='[^']*')?)*)\s*", match[1])
        if not match[0].endswith(">") or tag is None or tag[2].lower() not in TAGS:
            raise refuse(f'Unsupported start tag "{match[1][:20]}"', match.start())
        if tag[1]:
            if not open_ or open_.pop() != tag[2].lower():
                raise refuse(f'Unmatched end tag, found "</{tag[2]}>"', match.start())
        else:
            open_.append(tag[2].lower())
    if open_:
        raise refuse(f'Can\'t find end tag corresponding to start tag "{open_[-1]}"', len(text))
    shown.append(text[place:])
    return re.sub(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);", lambda found: unescape(found[0]), "".join(shown))


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--chat", type=int, action="append", default=[])
    parser.add_argument("--no-limits", action="store_true")
    given = parser.parse_args()
    api = BotApi(given.token, tuple(given.chat) or (1,), not given.no_limits)
    api.told = lambda sent: print(json.dumps(asdict(sent)), flush=True)
    async with api.serving(given.port):
        print(json.dumps({"url": api.url}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
