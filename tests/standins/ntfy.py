"""A stand-in for an ntfy server over real HTTP, with its documented limits and errors.

https://docs.ntfy.sh/publish/#publish-as-json, #limitations; the codes are those of its `server/errors.go`.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Self

from lastseen.testing.http_server import Answer, Received, http_server

TOPIC = "alerts-Xq7_fT29kd"
TOKEN = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"
USER, PASSWORD = "phil", "myp4ss-is-long"
NAME = re.compile(r"[-_A-Za-z0-9]{1,64}")
DISALLOWED = {"docs", "static", "file", "app", "metrics", "account", "settings", "signup", "login", "v1"}
LONGEST = 4096  # bytes of a message
KNOWN = {
    *("topic", "message", "title", "tags", "priority", "actions", "click", "attach", "markdown", "icon", "filename"),
    *("delay", "email", "call", "sequence_id"),
}

ERRORS = {
    40007: (400, "invalid request: priority invalid"),
    40009: (400, "invalid request: topic invalid"),
    40010: (400, "invalid request: topic name is not allowed"),
    40014: (400, "invalid request: attachments not allowed"),
    40017: (400, "invalid request: request body must be message JSON"),
    40101: (401, "unauthorized"),
    40301: (403, "forbidden"),
    40401: (404, "page not found"),
    41301: (413, "attachment too large, or bandwidth limit reached"),
    41303: (413, "JSON body too large"),
    42901: (429, "limit reached: too many requests"),
    42908: (429, "limit reached: daily message quota reached"),
    50001: (500, "internal server error"),
    50701: (507, "cannot publish to UnifiedPush topic without previously active subscriber"),
}


@dataclass(frozen=True)
class Published:
    """A message as the server has it; `attached`: it was so long that it became a file."""

    topic: str
    message: str
    title: str
    priority: int
    tags: tuple[str, ...]
    click: str | None
    sequence: str | None
    attached: bool = False


class NtfyServer:
    """One server. `open_to_all`: nobody has to log in; `attachments`: whether a long message becomes a file; `burst`:
    how many requests it takes, then it says 429."""

    def __init__(self, open_to_all: bool = True, attachments: bool = False, burst: int | None = None) -> None:
        self.open_to_all, self.attachments, self.burst = open_to_all, attachments, burst
        self.published: list[Published] = []
        self.trouble: deque[Answer] = deque()
        self.longest = LONGEST
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        async with http_server(self.handle) as self.url:
            yield self

    @property
    def shown(self) -> list[Published]:
        """What a phone shows: of a sequence the newest."""
        newest = {one.sequence or str(number): one for number, one in enumerate(self.published)}
        return list(newest.values())

    async def handle(self, request: Received) -> Answer:
        if self.trouble:
            return self.trouble.popleft()
        code = self._refusal(request)
        if code:
            return refused(code)
        return self._publish(request.json)

    def _refusal(self, request: Received) -> int:
        if request.method not in ("POST", "PUT") or request.path != "/":
            return 40401
        if self.burst is not None:
            if self.burst == 0:
                return 42901
            self.burst -= 1
        if len(request.body) > 2 * LONGEST + 2048:
            return 41303
        try:
            given = request.json
            topic = given["topic"]
        except (ValueError, TypeError, KeyError):
            return 40017
        if not isinstance(topic, str) or not NAME.fullmatch(topic):
            return 40009
        if topic in DISALLOWED:
            return 40010
        return self._stranger(request) or self._wrong(given)

    def _stranger(self, request: Received) -> int:
        """Credentials that are wrong are refused even where none are needed."""
        given = request.headers.get("authorization")
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if given is None:
            return 0 if self.open_to_all else 40301
        return 0 if given in (f"Bearer {TOKEN}", f"Basic {basic}") else 40101

    def _wrong(self, given: dict[str, Any]) -> int:
        assert set(given) <= KNOWN, f"ntfy knows no {set(given) - KNOWN}"
        if given.get("priority", 3) not in range(6):
            return 40007
        if not NAME.fullmatch(given.get("sequence_id", "x")):
            return 40017
        long = len(given.get("message", "").encode()) > self.longest
        return 40014 if long and not self.attachments else 0

    def _publish(self, given: dict[str, Any]) -> Answer:
        text = given.get("message", "")
        attached = len(text.encode()) > self.longest
        one = Published(
            topic=given["topic"],
            message="You received a file: attachment.txt" if attached else text or "triggered",
            title=given.get("title", ""),
            priority=given.get("priority", 3) or 3,
            tags=tuple(given.get("tags", ())),
            click=given.get("click"),
            sequence=given.get("sequence_id"),
            attached=attached,
        )
        self.published.append(one)
        number = f"hwQ2YpKdm{len(self.published):03}"
        return Answer.of_json({"id": number, "time": 1735941073, "event": "message", **given})


def refused(code: int, headers: dict[str, str] | None = None) -> Answer:
    """As the server says it."""
    status, words = ERRORS[code]
    body = {"code": code, "http": status, "error": words, "link": "https://ntfy.sh/docs/publish/"}
    answer = Answer.of_json(body, status)
    return Answer(answer.status, answer.body, {**answer.headers, **(headers or {})})
