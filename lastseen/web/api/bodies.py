"""How much a request may say: what is longer is refused before it is read to its end."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST = 64 * 1024
"""Bytes of a body, of pages too."""

TOO_LONG = f"the body is longer than {LONGEST // 1024} KiB"


class ShortBodies:
    """Raises where it is read, so that whoever reads it answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > LONGEST:
                raise HTTPException(413, TOO_LONG)
            return message

        await self._app(scope, counted if scope["type"] == "http" else receive, send)
