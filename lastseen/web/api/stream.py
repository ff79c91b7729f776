"""`GET /api/v1/stream`: what happens, live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as InQuery
from pydantic import Field
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lastseen.errors import StoreUnavailable
from lastseen.ingest.asgi import Refused
from lastseen.manage.who import Who
from lastseen.model.seen import Seen
from lastseen.monitor.live import Follower, Live, Tiding
from lastseen.web.api.asked import PREFIX, Query, Text
from lastseen.web.api.heartbeat import problem_responses
from lastseen.web.frames import RESET, idle, opening, pieces
from lastseen.web.who import who_of

BEAT = 15.0
"""Seconds after which something is sent although nothing happens, and it is asked whether they still may look."""

LOOK = 5.0
"""Seconds that this may take, and they stay: from a database that hangs nothing can be read for them either."""

HEAD = "lastseen.head"
"""In the scope of a request that asks for the headers alone."""

AT_ONCE = 10
"""Events that one is sent before everything else has its turn: where hundreds follow and thousands come at once,
heartbeats would else wait for seconds."""

MOST_NAMED = 100

router = APIRouter(prefix=PREFIX, tags=["events"])

Word = Annotated[Text, Field(max_length=200)]
Words = Annotated[list[Word], Field(max_length=MOST_NAMED)]

_EXAMPLE = """id: 41
data: {"event": {"id": 41, "type": "machine.offline", "machine": "db-01", "…": "…"}, "machine": {"slug": "db-01", …}}

"""
_DESCRIBED: dict[Any, Any] = {
    200: {
        "description": "Server-sent events until the client hangs up: `docs/stream.md`",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    **problem_responses("401", "403", "422", "503"),
}


class Wanted(Query):
    after: Annotated[Text, Field(max_length=3000)] | None = Field(
        default=None, description="go on after this event: the `id` of one that was sent. `Last-Event-ID` is stronger"
    )
    machine: Words = Field(default=[], description="only of these: slugs or ids")
    type: Words = Field(default=[], description="only of these types: `machine.offline`, or `machine.*`")

    def fits(self, tiding: Tiding[bytes]) -> bool:
        named = not self.machine or tiding.machine in self.machine or str(tiding.machine_id) in self.machine
        return named and (not self.type or any(fnmatchcase(tiding.type, one) for one in self.type))


class EventStream(StreamingResponse):
    media_type = "text/event-stream"

    def __init__(self, told: Told) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(told.frames(), headers=headers)
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._told.over()


@router.get("/stream", operation_id="stream", status_code=200, response_class=EventStream, responses=_DESCRIBED)
async def stream(
    request: Request, who: Annotated[Who, Depends(who_of)], wanted: Annotated[Wanted, InQuery()]
) -> Response:
    """What happens, live

    Each event of the machines that you may see is sent once, with its machine as it is then. Whoever is cut off goes on
    with `Last-Event-ID`, as browsers do by themselves, and misses nothing."""
    header = request.headers.get("last-event-id")
    seen = None
    if header:
        seen = Seen.read(header, "Last-Event-ID")
    elif wanted.after is not None:
        seen = Seen.read(wanted.after, "after")
    if request.scope.get(HEAD):
        return Response(headers={"Cache-Control": "no-store"}, media_type=EventStream.media_type)
    live: Live[bytes] = request.app.state.live
    follower = live.follow(seen, who.name)
    try:
        await live.place(follower)
    except BaseException:  # they hung up
        live.leave(follower)
        raise
    return EventStream(Told(request, live, follower, wanted, who))


@dataclass(slots=True)
class Told:
    """One client of the stream."""

    request: Request
    live: Live[bytes]
    follower: Follower[bytes]
    wanted: Wanted
    who: Who

    def over(self) -> None:
        self.live.leave(self.follower)

    async def frames(self) -> AsyncIterator[bytes]:
        yield opening()
        monotonic = self.request.app.state.entrance.clock.monotonic
        looked, placed = monotonic(), False
        if self.follower.up_to_date and self.follower.seen is not None:
            yield idle(self.follower.seen.text)
            placed = True
        while True:
            some: Sequence[Tiding[bytes]] | None = ()
            with anyio.move_on_after(looked + BEAT - monotonic()):
                some = await self.follower.next()
            if some is None:
                return
            for piece in self._reset():
                yield piece
            for first in range(0, len(some), AT_ONCE):
                for piece in self._said(some[first : first + AT_ONCE]):
                    yield piece
                await asyncio.sleep(0)
            due = monotonic() - looked >= BEAT
            if (due or not placed) and self.follower.seen is not None:
                yield idle(self.follower.seen.text)
                placed = True
            if due:
                if not await self._may_stay():
                    return
                looked = monotonic()

    def _reset(self) -> list[bytes]:
        said = [RESET] if self.follower.reset else []
        self.follower.reset = False
        return said

    def _said(self, some: Sequence[Tiding[bytes]]) -> list[bytes]:
        return list(pieces(one.frame for one in some if self.who.sees(one.owner) and self.wanted.fits(one)))

    async def _may_stay(self) -> bool:
        """Sessions end, keys are revoked, people become something else."""
        try:
            with anyio.move_on_after(LOOK):
                self.who = await who_of(self.request)
        except Refused:
            return False
        except StoreUnavailable:
            pass  # nothing can be read for them either
        return True
