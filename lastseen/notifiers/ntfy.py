"""ntfy: a topic on ntfy.sh, or on a server of one's own. https://docs.ntfy.sh/publish/#publish-as-json"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Self

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from lastseen.errors import ForbiddenAddress
from lastseen.model import Delivered, Message, Outcome, Rejected, Retry, Scope, replace
from lastseen.notifiers.guard import barred
from lastseen.notifiers.outcome import from_exception, http_outcome
from lastseen.notifiers.tools import Tools, local_tools
from lastseen.notifiers.webhook import checked_url
from lastseen.notifiers.wording import one_line, shorten
from lastseen.words import say

LONGEST = 4096
"""Bytes of a message; a server makes an attachment of a longer one, or refuses it."""

LONGEST_TITLE = 200
QUIET = 2
"""The priority of what makes no sound."""

_NAME = re.compile(r"[-_A-Za-z0-9]{1,64}")
_TOO_BIG = (40014, 41301, 41303)
"""ntfy's codes for a message that it would have to make an attachment of, and may not."""

_NO_TOPIC = (40009, 40010)


class Ntfy:
    """Publishes to one ntfy topic."""

    class Config(BaseModel):
        """Which topic on which server, and how it is told. Whoever knows the topic can read it: it is a secret."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        topic: SecretStr = Field(description="the topic: 1 to 64 letters, digits, - and _")
        url: str = Field(default="https://ntfy.sh", description="the server")
        token: SecretStr | None = Field(default=None, description="an access token (tk_…)")
        user: str | None = Field(default=None, description="the user, where there is no token")
        password: SecretStr | None = Field(default=None, description="the user's password")
        priority: int = Field(default=4, ge=1, le=5, description="of what makes a sound: 1 (min) to 5 (urgent)")
        tags: tuple[str, ...] = Field(
            default=(), max_length=10, description="a tag or an emoji's name; may be repeated"
        )
        click: str | None = Field(default=None, description="what is opened by a tap: http://… or https://…")
        replace_alert: bool = Field(default=False, description="the end of an alert takes its place on the phone")

        @field_validator("topic")
        @classmethod
        def _topic(cls, value: SecretStr) -> SecretStr:
            if not _NAME.fullmatch(value.get_secret_value()):
                raise ValueError(say("must be 1 to 64 letters, digits, - and _"))
            return value

        @field_validator("url")
        @classmethod
        def _server(cls, value: str) -> str:
            if "@" in value:
                raise ValueError(say("must not contain a user or a password: they are options of their own"))
            url = httpx.URL(checked_url(value))
            if url.path.strip("/") or url.query:
                raise ValueError(say("must be the server alone, without the topic: https://ntfy.example.org"))
            return str(url)

        @field_validator("token")
        @classmethod
        def _token(cls, value: SecretStr | None) -> SecretStr | None:
            if value is not None and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
                raise ValueError(say("must be a token as ntfy gives it: tk_…"))
            return value

        @field_validator("click")
        @classmethod
        def _link(cls, value: str | None) -> str | None:
            if value is not None and not re.fullmatch(r"https?://\S+", value):
                raise ValueError(say("must be an address such as https://status.example.org"))
            return value

        @field_validator("tags")
        @classmethod
        def _tags(cls, values: tuple[str, ...]) -> tuple[str, ...]:
            if any(not re.fullmatch(r"[^\s,]{1,64}", value) for value in values):
                raise ValueError(say("must be words without spaces and commas"))
            return values

        @model_validator(mode="after")
        def _one_way_in(self) -> Self:
            if (self.user is None) != (self.password is None):
                raise ValueError(say("user and password belong together: give both or none"))
            if self.token is not None and self.user is not None:
                raise ValueError(say("give a token, or a user and a password, not both"))
            return self

    max_batch = 4096
    schedule = "chat"
    timeout = 20.0  # the client's own 15 s end first, with a better reason
    label = "ntfy"

    def __init__(self, config: Config, tools: Tools | None = None) -> None:
        """Without `tools` it makes a client of its own, which may reach private addresses: the url is the program's."""
        self.config = config
        self._owns_http = tools is None
        tools = tools or local_tools()
        self._http, self._clock = tools.http, tools.clock
        self.host = httpx.URL(config.url).host

    def barred(self) -> str | None:
        """Why nothing ever gets to its address, as that is written; None: something may."""
        return barred(self._http, self.host)

    async def send(self, message: Message) -> Outcome:
        """One message in the topic. What the server finds too long is said in one line, at once."""
        return await self._tell(message, self._sequence(message))

    async def edit(self, receipt: str, message: Message) -> Outcome:
        """Published again under the same name: apps that know of it (ntfy 2.16) show the new one in place of the old,
        others beside it."""
        return await self._tell(message, receipt)

    async def _tell(self, message: Message, sequence: str) -> Outcome:
        body = payload(self.config, message, sequence)
        outcome, code = await self._publish(message, body)
        if code in _TOO_BIG and not isinstance(outcome, Delivered):
            outcome, code = await self._publish(message, {**body, **_short(message)})
        if isinstance(outcome, Delivered):
            return replace(outcome, receipt=sequence)
        if code in _NO_TOPIC:
            return Rejected(outcome.reason, Scope.CHANNEL)
        return outcome

    async def close(self) -> None:
        if self._owns_http:
            await self._http.aclose()

    def _sequence(self, message: Message) -> str:
        """What a phone shows once, however often it arrives: every try of a notification is the same one."""
        if self.config.replace_alert and message.reply_to is not None and _NAME.fullmatch(message.reply_to):
            return message.reply_to
        return re.sub(r"[^-_A-Za-z0-9]", "-", message.id)[:64]

    async def _publish(self, message: Message, body: Mapping[str, Any]) -> tuple[Outcome, int]:
        """What it means, and ntfy's own code for it (0: none)."""
        try:
            response = await self._http.post(self.config.url, json=body, headers=self._headers())
        except (httpx.HTTPError, ForbiddenAddress) as error:
            return from_exception(error), 0
        code, said = _error(response)
        told = httpx.Response(response.status_code, headers=_kept(response), text=said, request=response.request)
        return _explained(http_outcome(told, message.wall or self._clock.wall()), response.status_code), code

    def _headers(self) -> dict[str, str]:
        token, user, password = self.config.token, self.config.user, self.config.password
        if token is not None:
            return {"authorization": f"Bearer {token.get_secret_value()}"}
        if user is not None and password is not None:
            pair = f"{user}:{password.get_secret_value()}".encode()
            return {"authorization": "Basic " + base64.b64encode(pair).decode()}
        return {}


def payload(config: Ntfy.Config, message: Message, sequence: str) -> dict[str, Any]:
    """What is published: the title apart, the rest as the message, which may not be empty."""
    rest = message.text.partition("\n")[2].strip()
    body: dict[str, Any] = {
        "topic": config.topic.get_secret_value(),
        "title": _title(message),
        "message": _cut(rest),
        "priority": config.priority if message.loud else min(QUIET, config.priority),
        "sequence_id": sequence,
    }
    if not rest:
        body |= _short(message)
    if config.tags:
        body["tags"] = list(config.tags)
    if config.click is not None:
        body["click"] = config.click
    return body


def _short(message: Message) -> dict[str, str]:
    """The title as the whole message."""
    return {"title": "", "message": _title(message)}


def _title(message: Message) -> str:
    title = message.title.encode("utf-8", "replace").decode()  # half of a pair cannot be sent
    return shorten(one_line(title), LONGEST_TITLE) or "lastseen"


def _cut(text: str) -> str:
    """As many whole characters as there is room for."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= LONGEST:
        return raw.decode()
    return raw[: LONGEST - 3].decode("utf-8", "ignore") + "…"


def _error(response: httpx.Response) -> tuple[int, str]:
    """Its code and its words, without the link to its manual; as it came where it is no error of ntfy's."""
    try:
        given = json.loads(response.content)
        return int(given["code"]), str(given["error"])
    except (ValueError, TypeError, LookupError):
        return 0, response.text[:4096]


def _kept(response: httpx.Response) -> dict[str, str]:
    return {name: response.headers[name] for name in ("retry-after", "date") if name in response.headers}


def _explained(outcome: Outcome, status: int) -> Outcome:
    hints = {
        401: "the token or the password is wrong",
        403: "this user may not write to the topic",
        404: "there is no ntfy server",
    }
    if isinstance(outcome, Retry) and status in hints:
        return replace(outcome, reason=f"{outcome.reason.partition(': ')[0]}: {hints[status]}")
    return outcome
