"""A server that others reach under a path of another's address: `https://example.org/lastseen`.

Inside nothing knows of it. Here it is taken from the path of a request, if the proxy in front has left it there, and
put before what an answer sends a browser to; `placed` puts it before the addresses of a page. Cookies hold for that
path alone: other things live on the same host.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from lastseen.errors import ConfigurationError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OURS: Final = frozenset(
    {"account", "api", "badge", "channels", "events", "events.csv", "events.json", "favicon.ico", "healthz", "keys"}
    | {"kinds", "livez", "login", "logout", "machines", "metrics", "people", "ping", "readyz", "reset", "setup"}
    | {"silences", "sources", "static", "status", "status-pages", "system"}
)
"""What paths of ours begin with: where a proxy has taken the prefix away, one of the same name could not be told from
them."""

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_ADDRESS = re.compile(r'(\s(?:href|action|src|formaction|hx-get|hx-post|data-stream|data-home|data-place)=")(?=/(?!/))')
_SENT_TO = (b"location", b"hx-redirect", b"hx-location", b"hx-push-url")
_HOST, _SECURE = b"__Host-", b"__Secure-"
"""Browsers take a `__Host-` cookie for the path `/` alone."""


def prefix_of(public_url: str | None) -> str:
    """`/lastseen`, or "" for none. Raises ConfigurationError for one that cannot be served."""
    prefix = "" if public_url is None else urlsplit(public_url).path.rstrip("/")
    if not prefix:
        return ""
    if not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")):
        raise ConfigurationError(
            f"LASTSEEN_PUBLIC_URL: its path may hold letters, digits and . _ ~ - only, not {prefix!r}"
        )
    first = prefix.split("/")[1]
    if first in OURS:
        raise ConfigurationError(
            f"LASTSEEN_PUBLIC_URL: pages of lastseen begin with /{first} themselves: take another path"
        )
    return prefix


def placed(page: str, prefix: str) -> str:
    """A page whose addresses begin with this. Whatever somebody wrote has no quotes in it that are not escaped."""
    return _ADDRESS.sub(lambda found: found[1] + prefix, page) if prefix else page


class UnderPrefix:
    def __init__(self, app: App, prefix: str) -> None:
        self._app, self._prefix, self._raw = app, prefix, prefix.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": list(self._outward(message.get("headers", ())))}
            await send(message)

        await self._app(self._inward(scope), receive, sent)

    def _inward(self, scope: Scope) -> Scope:
        path, headers = (
            scope["path"],
            [(name, value.replace(_SECURE, _HOST) if name == b"cookie" else value) for name, value in scope["headers"]],
        )
        if path != self._prefix and not path.startswith(f"{self._prefix}/"):
            return {**scope, "headers": headers}
        raw: bytes = scope.get("raw_path") or path.encode()
        inside = {"path": path[len(self._prefix) :] or "/", "raw_path": raw[len(self._raw) :] or b"/"}
        return {**scope, **inside, "headers": headers}

    def _outward(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
        for name, value in headers:
            if name in _SENT_TO and value.startswith(b"/") and not value.startswith(b"//"):
                yield name, self._raw + value
            elif name == b"set-cookie":
                there = re.sub(rb"(?i)(; *path=)/(?=;|$)", rb"\g<1>" + self._raw, value)
                yield name, re.sub(rb"^__Host-", _SECURE, there)
            else:
                yield name, value
