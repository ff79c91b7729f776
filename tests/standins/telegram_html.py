"""How the Bot API reads HTML: the text behind the tags and its entities, or why it cannot be parsed."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "a": "text_link", "code": "code",
    "pre": "pre", "blockquote": "blockquote", "tg-spoiler": "spoiler", "span": "spoiler",
}  # fmt: skip
_TAG = re.compile(r"(/?)([a-zA-Z0-9-]+)((?:\s+[a-z-]+(?:=\"[^\"]*\"|='[^']*')?)*)\s*")


class Refused(Exception):
    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code, self.parameters = code, parameters


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def parse_html(text: str) -> str:
    """The text behind the tags; Refused as Telegram refuses what it cannot parse."""
    return parse_entities(text)[0]


def parse_entities(text: str) -> tuple[str, list[dict[str, Any]]]:
    open_: list[tuple[str, int]] = []
    entities: list[dict[str, Any]] = []

    def refuse(what: str, offset: int) -> Refused:
        return Refused(400, f"Bad Request: can't parse entities: {what} at byte offset {len(text[:offset].encode())}")

    shown, place = "", 0
    for match in re.finditer(r"<([^>]*)>?", text):
        shown += _plain(text[place : match.start()])
        place = match.end()
        tag = _TAG.fullmatch(match[1])
        if not match[0].endswith(">") or tag is None or tag[2].lower() not in TAGS:
            raise refuse(f'Unsupported start tag "{match[1][:20]}"', match.start())
        name = tag[2].lower()
        if not tag[1]:
            open_.append((name, units(shown)))
            continue
        if not open_ or open_[-1][0] != name:
            raise refuse(f'Unmatched end tag, found "</{tag[2]}>"', match.start())
        _, start = open_.pop()
        if units(shown) > start:
            entities.append({"type": TAGS[name], "offset": start, "length": units(shown) - start})
    if open_:
        raise refuse(f'Can\'t find end tag corresponding to start tag "{open_[-1][0]}"', len(text))
    return shown + _plain(text[place:]), entities


def _plain(text: str) -> str:
    return re.sub(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);", lambda found: unescape(found[0]), text)
