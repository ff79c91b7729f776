"""Headers that every answer goes out with, and a bound on what comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
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
    b"cross-origin-opener-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cache-control": b"no-store",
}
"""Unless a route says otherwise."""

STAY_SECURE: Final = b"max-age=31536000"
"""Seconds for which a browser that came by TLS will not come without."""

LARGEST: Final = 1024 * 1024
"""Bytes of a body that is sent to anything but the ways in, which have bounds of their own."""


class Guarded:
    """An application behind both."""

    def __init__(self, app: ASGIApp, front: Front) -> None:
        self._app, self._front = app, front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        wanted = dict(ALWAYS)
        if self._front.secure(scope):
            wanted[b"strict-transport-security"] = STAY_SECURE

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = list(message.get("headers", ()))
                names = {name.lower() for name, _ in said}
                said += [(name, value) for name, value in wanted.items() if name not in names]
                message = {**message, "headers": said}
            await send(message)

        return await self._app(scope, bounded(receive), with_headers)


def bounded(receive: Receive, largest: int = LARGEST) -> Receive:
    """Raises HTTPException (413) to whoever reads on after so many bytes."""
    size = 0

    async def counting() -> Any:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > largest:
            raise HTTPException(413, f"a body is {largest} bytes at most", {"Connection": "close"})
        return message

    return counting
