"""Whoever asks is answered in time: a database that hangs or is locked answers nobody, and what waits for it would wait
as long, more and more of it.

The time is over when the answer begins: what is sent then may take as long as it is read.
"""

from __future__ import annotations

import math
import re
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lastseen.log import get_logger
from lastseen.problems import BUSY_RETRY, MEDIA_TYPE, STORE_RETRY, Problem
from lastseen.storage.visitors import visiting
from lastseen.web.dashboard.asking import error_page

PATIENCE = 20.0
"""Seconds until an answer begins."""

MOST = 1_000
"""Requests that wait for their answers at once."""

SAFE: Final = ("GET", "HEAD", "OPTIONS")
OWN: Final = re.compile(r"/healthz|/readyz|(/api/v1)?/channels/[^/]+/test")
"""Paths with limits of their own: a channel is tried for as long as that may take."""

LATE: Final = "the database does not answer: try again later"
IN_DOUBT: Final = f"{LATE}. What was asked for may have been done, or be done yet: look first"
BUSY: Final = f"{MOST} requests wait for their answers: try again"

SPACING = 60.0
"""Seconds from one line in the log to the next."""

_log = get_logger()


class InTime:
    """An application that answers 503 where it would be too late."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._waiting = app, 0
        self._log_after = -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or OWN.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
        elif self._waiting >= MOST:
            problem = Problem(503, BUSY, headers={"Retry-After": str(BUSY_RETRY)})
            await _answer(scope, problem)(scope, receive, send)
        elif not await self._begins(scope, receive, send):
            self._log()
            detail = LATE if scope["method"] in SAFE else IN_DOUBT
            problem = Problem(503, detail, headers={"Retry-After": str(STORE_RETRY)})
            await _answer(scope, problem)(scope, receive, send)

    def _log(self) -> None:
        """One line, however many: they shall not fill the log."""
        now = anyio.current_time()
        if now >= self._log_after:
            self._log_after = now + SPACING
            _log.warning("answers_too_late", waiting=self._waiting)

    async def _begins(self, scope: Scope, receive: Receive, send: Send) -> bool:
        waits = True

        def over() -> None:
            nonlocal waits
            self._waiting -= waits
            waits = False

        with anyio.move_on_after(PATIENCE) as limit:

            async def sending(message: Message) -> None:
                limit.deadline = math.inf
                over()
                await send(message)

            self._waiting += 1
            try:
                with visiting():
                    await self._app(scope, receive, sending)
            finally:
                over()
        return not limit.cancelled_caught


def _answer(scope: Scope, problem: Problem) -> Response:
    """A page, for who asked for one."""
    if "app" in scope and not scope["path"].startswith("/api/"):
        return error_page(Request(scope), problem)
    return Response(problem.body(), problem.status, dict(problem.headers), MEDIA_TYPE)
