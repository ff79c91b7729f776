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
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, replace
from typing import Any, Self

from lastseen.testing.http_server import Answer, Received, http_server
from tests.standins.telegram_html import Refused, parse_entities, parse_html, units
from tests.standins.telegram_people import Chat, People, Sent

TOKEN = "123456789:AAF-standin_token_0123456789abcdefgh"
__all__ = ["TOKEN", "BotApi", "Chat", "Refused", "Sent", "parse_html"]

LONGEST = 4096
EDITABLE = 48 * 3600
UNCHANGED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a "
    "current content and reply markup of the message"
)
WEBHOOK = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


class BotApi(People):
    """One bot and the chats it knows. `limits` enforces how often it may send, by the clock `monotonic`."""

    def __init__(
        self,
        token: str = TOKEN,
        chats: tuple[int, ...] = (1,),
        limits: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.token, self.limits, self._monotonic = token, limits, monotonic
        self.chats = {number: Chat(number) for number in chats}
        self.messages: list[Sent] = []
        self.edits: list[tuple[int, int, str]] = []
        self.calls: list[str] = []
        self.trouble = deque()
        self.lost = deque()
        self.otherwise: Answer | None = None
        self.slow = 0.0
        self.rejects_all_html = False
        self.url = ""
        self.told: Callable[[Sent], None] = lambda sent: None
        self._times: deque[float] = deque(maxlen=30)
        self.toasts: list[tuple[str, str]] = []  # the press, and the word it was answered with
        self.commands: list[dict[str, str]] = []
        self.refused: list[str] = []
        self.webhook = False
        self.failing: set[str] = set()  # methods that answer 502
        self._then_fails: dict[str, set[str]] = {}
        self._presses: set[str] = set()
        self._wanted: list[str] = []
        self._updates: list[dict[str, Any]] = []
        self._next = 100
        self._arrived = asyncio.Event()
        self._poller: asyncio.Event | None = None

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Self]:
        async with http_server(self.handle, port=port, tls=tls) as self.url:
            yield self

    # -- the API

    async def handle(self, request: Received) -> Answer:
        if request.path == "/control":
            for name, arguments in request.json.items():
                getattr(self, name)(*arguments)
            return Answer.of_json({"ok": True})
        if self.trouble or self.otherwise is not None:
            return self.trouble.popleft() if self.trouble else self.otherwise or Answer()
        answer = await self._answer(request)
        return self.lost.popleft() if self.lost else replace(answer, delay=self.slow)

    async def _answer(self, request: Received) -> Answer:
        method = request.path.rpartition("/")[2]
        if method in self.failing:
            return Answer(502, b"<html>Bad Gateway</html>")
        self.failing |= self._then_fails.pop(method, set())
        try:
            return Answer.of_json({"ok": True, "result": await self._call(request)})
        except Refused as refused:
            if not request.gone():  # whoever hung up is told nothing
                self.refused.append(f"{refused.code} {refused}")
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
        if self.webhook:
            raise Refused(409, WEBHOOK)
        if self._poller is not None:
            self._poller.set()  # the earlier call loses
        mine = self._poller = asyncio.Event()
        self._wanted = json.loads(given["allowed_updates"]) if given.get("allowed_updates") else self._wanted
        try:
            deadline = time.monotonic() + float(given.get("timeout") or 0)
            while True:
                self._confirm(int(given.get("offset") or 0))
                left = deadline - time.monotonic()
                found = [one for one in self._updates if self._is_wanted(one)][: int(given.get("limit") or 100)]
                if found or left <= 0:
                    return found
                self._arrived.clear()
                waits = [asyncio.ensure_future(event.wait()) for event in (self._arrived, mine)]
                # an earlier call that ends now may have cleared what was set for this one: it looks again
                await asyncio.wait(waits, timeout=min(left, 1.0), return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
                if mine.is_set():
                    raise Refused(409, CONFLICT)
        finally:
            if self._poller is mine:
                self._poller = None

    def _confirm(self, offset: int) -> None:
        """Updates before it are forgotten; a negative one leaves so many of the newest."""
        if offset < 0:
            self._updates = self._updates[offset:]
        elif offset:
            self._updates = [one for one in self._updates if not 0 <= _number_of(one) < offset]

    def _is_wanted(self, update: Any) -> bool:
        return not self._wanted or not isinstance(update, dict) or bool({*update} - {"update_id"} & {*self._wanted})

    async def _sendmessage(self, given: dict[str, Any]) -> Any:
        chat = self._chat(given)
        text, (shown, entities), buttons = given.get("text") or "", self._parsed(given), self._buttons(given)
        thread = self._topic(chat, given)
        self._limit(chat)
        reply = json.loads(given["reply_parameters"]) if given.get("reply_parameters") else {}
        reply_to = reply.get("message_id")
        if reply_to is not None and not any(m.message_id == reply_to and m.chat_id == chat.id for m in self.messages):
            if not reply.get("allow_sending_without_reply"):
                raise Refused(400, "Bad Request: message to be replied not found")
            reply_to = None
        sent = Sent(
            message_id=self._number(),
            chat_id=chat.id,
            text=shown,
            raw=text,
            parse_mode=given.get("parse_mode"),
            silent=str(given.get("disable_notification", "")).lower() == "true",
            reply_to=reply_to,
            thread_id=thread,
            at=time.time(),
            entities=tuple(entities),
            buttons=buttons,
        )
        self.messages.append(sent)
        self.told(sent)
        return self._message(sent.message_id, chat, shown)

    async def _editmessagetext(self, given: dict[str, Any]) -> Any:
        (shown, entities), buttons = self._parsed(given), self._buttons(given)
        changes = {"text": shown, "raw": given.get("text"), "entities": tuple(entities), "buttons": buttons}
        return self._edit(given, **changes)

    async def _editmessagereplymarkup(self, given: dict[str, Any]) -> Any:
        return self._edit(given, buttons=self._buttons(given))

    def _edit(self, given: dict[str, Any], **changes: Any) -> Any:
        chat, number = self._chat(given), int(given.get("message_id") or 0)
        self._limit(chat)
        found = [m for m in self.messages if m.message_id == number and m.chat_id == chat.id]
        if not found:
            raise Refused(400, "Bad Request: message to edit not found")
        if time.time() - found[0].at > EDITABLE:
            raise Refused(400, "Bad Request: message can't be edited")
        after = replace(found[0], **changes)
        if (after.text, after.entities, after.buttons) == (found[0].text, found[0].entities, found[0].buttons):
            raise Refused(400, UNCHANGED)
        self._put(after)
        self.edits.append((chat.id, number, after.text))
        return self._message(number, chat, after.text)

    async def _answercallbackquery(self, given: dict[str, Any]) -> Any:
        press, text = str(given.get("callback_query_id")), str(given.get("text") or "")
        if press not in self._presses:
            raise Refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        if len(text) > 200:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        self._presses.discard(press)
        self.toasts.append((press, text))
        return True

    async def _setmycommands(self, given: dict[str, Any]) -> Any:
        commands = json.loads(given.get("commands") or "[]")
        for one in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", one["command"]) or not 1 <= len(one["description"]) <= 256:
                raise Refused(400, "Bad Request: BOT_COMMAND_INVALID")
        self.commands = commands
        return True

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

    def _topic(self, chat: Chat, given: dict[str, Any]) -> int | None:
        thread = int(given.get("message_thread_id") or 0) or None
        if thread is not None and chat.topics:
            if thread not in chat.topics:
                raise Refused(400, "Bad Request: message thread not found")
            if chat.topics[thread] == "closed":
                raise Refused(400, "Bad Request: TOPIC_CLOSED")
        return thread

    def _parsed(self, given: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        text = given.get("text") or ""
        shown, entities = parse_entities(text) if (given.get("parse_mode") or "").upper() == "HTML" else (text, [])
        if self.rejects_all_html and given.get("parse_mode"):
            raise Refused(400, "Bad Request: can't parse entities: nothing is good enough at byte offset 0")
        if not shown.strip():
            raise Refused(400, "Bad Request: message text is empty")
        if units(shown) > LONGEST:
            raise Refused(400, "Bad Request: message is too long")
        return shown, entities

    def _buttons(self, given: dict[str, Any]) -> tuple[tuple[str, str], ...]:
        rows = json.loads(given["reply_markup"])["inline_keyboard"] if given.get("reply_markup") else []
        found = []
        for button in (button for row in rows for button in row):
            data, url = button.get("callback_data"), button.get("url")
            if data is not None and not 1 <= len(data.encode()) <= 64:
                raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
            if data is None and not re.match(r"https?://[^/\s]+\.", url or ""):
                raise Refused(400, f"Bad Request: inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
            found.append((button["text"], data or url))
        return tuple(found)

    def _limit(self, chat: Chat) -> None:
        """30 a second in all; about one a second in a chat, with a short burst; 20 a minute in a group."""
        if not self.limits:
            return
        now = self._monotonic()
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


def _number_of(update: Any) -> int:
    number = update.get("update_id") if isinstance(update, dict) else None
    return number if isinstance(number, int) else -1


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
