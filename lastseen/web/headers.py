"""Headers that every answer goes out with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lastseen.web.front import Front

CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Everything from here, nothing inline, and in nobody's frame."""

ALWAYS: Final[Mapping[bytes, bytes]] = {
    b"content-security-policy": CONTENT_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cache-control": b"no-store",
}
"""Unless a route says otherwise."""

STAY_SECURE: Final = b"max-age=31536000"
"""Seconds for which a browser that came by TLS will not come without."""


class Guarded:
    """An application whose answers have them."""

    def __init__(self, app: ASGIApp, front: Front) -> None:
        self._app, self._front = app, front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        wanted = dict(ALWAYS)
        if self._front.trustworthy(scope):
            wanted[b"cross-origin-opener-policy"] = b"same-origin"  # elsewhere browsers complain of it
        if self._front.secure(scope):
            wanted[b"strict-transport-security"] = STAY_SECURE

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = list(message.get("headers", ()))
                names = {name.lower() for name, _ in said}
                said += [(name, value) for name, value in wanted.items() if name not in names]
                message = {**message, "headers": said}
            await send(message)

        return await self._app(scope, receive, with_headers)
