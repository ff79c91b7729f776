"""What Telegram tells a bot, as far as it matters here. Anybody may send anything: what is not as it should be is left
out, and harms nothing that comes with it. https://core.telegram.org/bots/api#update"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from lastseen.notifiers.wording import one_line, shorten

LONGEST_NAME = 40
LONGEST_TEXT = 500

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@(\w+))?(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was said: a chat (negative: a group), and a topic in it. `title`: of the group or the person."""

    chat: int
    thread: int | None = None
    title: str = ""

    @property
    def is_group(self) -> bool:
        return self.chat < 0


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody wrote. `command` is lower case and without its slash, "" for other words; `to` the bot it names."""

    place: Place
    who: str
    command: str
    to: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody pressed a button. `message` is the one above it as it came, without a text where that is too old."""

    place: Place
    who: str
    press: str
    data: str
    message: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Moved:
    """A group has become a supergroup, under another id."""

    chat: int
    to: int


Update = Said | Pressed | Moved


def number_of(raw: Any) -> int | None:
    """An update's number; None for what is none."""
    number = raw.get("update_id") if isinstance(raw, Mapping) else None
    return number if _is_number(number) else None


def read(raw: Any) -> Update | None:
    """What it says; None: nothing that matters, or nothing that can be read."""
    if not isinstance(raw, Mapping):
        return None
    message, press = raw.get("message"), raw.get("callback_query")
    if isinstance(message, Mapping):
        return _moved(message) or _said(message)
    return _pressed(press) if isinstance(press, Mapping) else None


def _said(message: Mapping[str, Any]) -> Said | None:
    place, text = _place(message), message.get("text")
    if place is None or not isinstance(text, str):
        return None
    who = _who(message.get("from")) or place.title
    found = _COMMAND.fullmatch(text.strip()[:LONGEST_TEXT])
    if found is None:
        return Said(place, who, "", words=plain(text))
    return Said(place, who, found[1].lower(), (found[2] or "").lower(), plain(found[3] or "", LONGEST_TEXT))


def _pressed(press: Mapping[str, Any]) -> Pressed | None:
    message, number, data = press.get("message"), press.get("id"), press.get("data")
    place = _place(message) if isinstance(message, Mapping) else None
    if place is None or not isinstance(number, str) or not isinstance(data, str):
        return None
    return Pressed(place, _who(press.get("from")) or "somebody", number, data[:100], message or {})


def _moved(message: Mapping[str, Any]) -> Moved | None:
    place, to = _place(message), message.get("migrate_to_chat_id")
    return Moved(place.chat, to) if place is not None and _is_number(to) else None


def _place(message: Mapping[str, Any]) -> Place | None:
    chat = message.get("chat")
    if not isinstance(chat, Mapping) or not _is_number(chat.get("id")):
        return None
    thread = message.get("message_thread_id") if message.get("is_topic_message") is True else None
    title = plain(chat.get("title")) or _who(chat) or str(chat["id"])
    return Place(chat["id"], thread if _is_number(thread) else None, title)


def _who(person: Any) -> str:
    """A person's name as it may stand in a text."""
    if not isinstance(person, Mapping):
        return ""
    names = [person.get("first_name"), person.get("last_name")]
    return plain(" ".join(name for name in names if isinstance(name, str))) or plain(person.get("username"))


def plain(text: Any, length: int = LONGEST_NAME) -> str:
    """One line that ends, without characters that turn the direction of what follows, or that nobody sees."""
    if not isinstance(text, str):
        return ""
    seen = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cs", "Co", "Cn"))
    return shorten(one_line(seen), length)


def buttons_of(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Under a message that came with an update."""
    markup = message.get("reply_markup")
    rows = markup.get("inline_keyboard") if isinstance(markup, Mapping) else None
    found = []
    for button in (button for row in _list(rows) for button in _list(row) if isinstance(button, Mapping)):
        label, word = button.get("text"), button.get("callback_data") or button.get("url")
        if isinstance(label, str) and isinstance(word, str):
            found.append((label, word))
    return found


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
