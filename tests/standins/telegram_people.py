"""What a test may do to the stand-in of the Bot API: what people write and press, what becomes of chats and messages,
and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from lastseen.testing.http_server import Answer


@dataclass
class Chat:
    id: int
    state: str = "ok"  # ok, blocked, kicked, deactivated, migrated
    moved_to: int | None = None
    topics: dict[int, str] = field(default_factory=dict)  # open, closed; none: any number is a topic
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
    entities: tuple[dict[str, Any], ...] = ()
    buttons: tuple[tuple[str, str], ...] = ()  # label, and data or address


class People:
    """The part of the stand-in that is no Bot API."""

    chats: dict[int, Chat]
    messages: list[Sent]
    trouble: deque[Answer]
    """What the next calls are answered with instead of being done."""
    lost: deque[Answer]
    """What the next calls are answered with after they were done: nobody learns what became of them."""
    otherwise: Answer | None
    """What every call is answered with instead of being done, as long as it is there."""
    slow: float
    """Seconds until each answer comes."""
    _updates: list[Any]
    _presses: set[str]
    _then_fails: dict[str, set[str]]
    _arrived: asyncio.Event
    _poller: asyncio.Event | None
    _next: int

    # -- what a test may do

    def state(self, chat: int, state: str, moved_to: int | None = None) -> None:
        self.chats[chat].state, self.chats[chat].moved_to = state, moved_to
        if moved_to is not None:
            self.chats[moved_to] = Chat(moved_to)

    def fail(self, times: int, status: int = 502, reset: bool = False, hang: bool = False) -> None:
        """The next calls fail: with a status, by a reset, or without an answer."""
        body = b"<html>Bad Gateway</html>"
        self.trouble.extend([Answer(status, body, reset=reset, hang=hang)] * times)

    def fail_after(self, method: str, then: str) -> None:
        """Once somebody has called the one, the other fails until `failing` is cleared."""
        self._then_fails[method] = {then}

    def say(self, chat: int, text: str, thread: int | None = None, who: str = "Ada", person: int = 7) -> None:
        """Somebody writes to the bot."""
        message = {"message_id": self._number(), "date": int(time.time()), "text": text, **self._where(chat, who)}
        if thread is not None:
            message |= {"message_thread_id": thread, "is_topic_message": True}
        self.chats.setdefault(chat, Chat(chat))
        self.update({"message": message | {"from": _person(chat if chat > 0 else person, who)}})

    def open_link(self, chat: int, payload: str, thread: int | None = None) -> None:
        """Somebody opens t.me/lastseen_bot?start=… (in a group: ?startgroup=…). What is no payload is dropped."""
        told = f" {payload}" if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", payload) else ""
        self.say(chat, f"/start{'' if chat > 0 else '@lastseen_bot'}{told}", thread)

    def press(self, message: int, label: str, who: str = "Ada", person: int = 7, forwarded_to: int = 0) -> str:
        """Somebody presses a button under a message; the press. `forwarded_to`: seen there, not in its chat."""
        sent = self.latest(message)
        data = dict(sent.buttons)[label]
        chat = self.chats.setdefault(forwarded_to or sent.chat_id, Chat(forwarded_to or sent.chat_id))
        keyboard = [[{"text": name, "callback_data": word} for name, word in sent.buttons]]
        shown = self._message(sent.message_id, chat, sent.text) | {"entities": list(sent.entities)}
        shown |= {"reply_markup": {"inline_keyboard": keyboard}}
        if sent.thread_id is not None:
            shown |= {"message_thread_id": sent.thread_id, "is_topic_message": True}
        return self.press_raw(shown, data, who, person)

    def press_raw(self, shown: dict[str, Any], data: str, who: str = "Ada", person: int = 7) -> str:
        press = str(self._number())
        self._presses.add(press)
        query = {"id": press, "from": _person(person, who), "message": shown, "chat_instance": "1", "data": data}
        self.update({"callback_query": query})
        return press

    def migrate(self, chat: int, to: int) -> None:
        """The group becomes a supergroup: its id changes, and the bot reads that it has."""
        self.state(chat, "migrated", to)
        message = {"message_id": self._number(), "date": int(time.time()), **self._where(chat, "")}
        self.update({"message": message | {"migrate_to_chat_id": to}})

    def update(self, what: Any) -> None:
        """Anything at all arrives; an object gets its id."""
        self._updates.append({"update_id": self._number(), **what} if isinstance(what, dict) else what)
        self._arrived.set()

    def latest(self, message: int) -> Sent:
        """A message as it reads now."""
        return next(sent for sent in self.messages if sent.message_id == message)

    def age(self, message: int, hours: float) -> None:
        """It was sent so long ago."""
        self._put(replace(self.latest(message), at=time.time() - hours * 3600))

    def delete(self, message: int) -> None:
        self.messages = [sent for sent in self.messages if sent.message_id != message]

    @property
    def polled(self) -> bool:
        """Somebody waits for updates now."""
        return self._poller is not None

    @property
    def unread(self) -> int:
        """Updates that nobody has confirmed."""
        return len(self._updates)

    def _put(self, sent: Sent) -> None:
        self.messages = [sent if one.message_id == sent.message_id else one for one in self.messages]

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _where(self, chat: int, who: str) -> dict[str, Any]:
        private: dict[str, Any] = {"type": "private", "first_name": who}
        return {"chat": {"id": chat, **(private if chat > 0 else {"type": "supergroup", "title": "Ops"})}}

    def _message(self, number: int, chat: Chat, text: str) -> dict[str, Any]:
        return {"message_id": number, "date": int(time.time()), "text": text, **self._where(chat.id, "Ada")}


def _person(number: int, name: str) -> dict[str, Any]:
    return {"id": number, "is_bot": False, "first_name": name}
