"""`GET /api/v1/machines/{id}/status` by a key, without FastAPI's way to a route: programs poll it.

What is anything else than a key that is known and a machine that its holder sees goes the long way, which answers
alike: a test holds the two together.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from lastseen.errors import LastseenError
from lastseen.ingest.gate import key_of
from lastseen.manage.machines import id_in, standings
from lastseen.manage.office import Office
from lastseen.manage.who import Who
from lastseen.model import MachineRef, Standing
from lastseen.web.auth import Holder
from lastseen.web.front import Front
from lastseen.web.who import who_holds

PATH = re.compile(r"/api/v1/(?:machines|devices)/([A-Za-z0-9._:-]{1,200})/status")

MOST = 500
"""Machines that are read at once."""

Known = Callable[[bytes, datetime], Awaitable[Holder | None]]
"""The holder of a key that is valid and remembered; None: the long way knows."""

_encoder = msgspec.json.Encoder()


class QuickStatus:
    """Answers what it can, and hands on the rest."""

    def __init__(self, office: Office, known: Known, front: Front, rest: ASGIApp) -> None:
        self._office, self._known, self._front, self._rest = office, known, front, rest
        self._read = Gathered(lambda refs: standings(office, refs))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._body(scope)
        if body is None:
            await self._rest(scope, receive, send)
            return
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _body(self, scope: Scope) -> bytes | None:
        found = PATH.fullmatch(scope["path"]) if scope["method"] == "GET" else None
        key = key_of(dict(scope["headers"])) if found is not None else b""
        if found is None or not key:
            return None
        try:
            holder = await self._known(key, self._office.monitor.clock.now())
            standing = None if holder is None else await self._standing(found[1])
            if holder is None or standing is None or not self._sees(scope, holder, standing):
                return None
            await self._office.monitor.name_sources([standing])
        except LastseenError:
            return None
        return _encoder.encode(self._office.monitor.described(standing, self._office.monitor.clock.now()).as_dict())

    def _sees(self, scope: Scope, holder: Holder, standing: Standing) -> bool:
        if holder.scope == "machine":
            return holder.machine_id == standing.machine.id
        if holder.scope != "api":
            return False
        who: Who = who_holds(holder, self._front.address(scope))
        return who.sees(standing.machine.owner)

    async def _standing(self, ref: str) -> Standing | None:
        """Digits are tried as a slug, then as an id."""
        found = await self._read(ref)
        number = id_in(ref)
        return await self._read(number) if found is None and number else found


class Gathered:
    """Who asks while a read is under way is answered by the next one, all together: a read of many costs little more
    than a read of one. Nobody is told what was read before they asked."""

    def __init__(self, read: Callable[[Sequence[MachineRef]], Awaitable[Mapping[MachineRef, Standing]]]) -> None:
        self._read = read
        self._waiting: dict[MachineRef, asyncio.Future[Standing | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def __call__(self, ref: MachineRef) -> Standing | None:
        """None: there is none. Raises StoreUnavailable."""
        asked = self._waiting.get(ref)
        if asked is None:
            asked = self._waiting[ref] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._all())
        return await asyncio.shield(asked)

    async def _all(self) -> None:
        try:
            while self._waiting:
                await self._some()
        finally:
            self._reading = None

    async def _some(self) -> None:
        asked = {ref: self._waiting.pop(ref) for ref in list(self._waiting)[:MOST]}
        found: Mapping[MachineRef, Standing] = {}
        failed: BaseException | None = None
        try:
            found = await self._read(list(asked))
        except BaseException as error:  # noqa: BLE001  (whoever waits is told, whatever it is)
            failed = error
        for ref, waits in asked.items():
            if waits.done():
                continue
            if failed is None:
                waits.set_result(found.get(ref))
            elif isinstance(failed, Exception):
                waits.set_exception(failed)
                waits.exception()  # nobody may be there any more to hear of it
            else:
                waits.cancel()
        if failed is not None and not isinstance(failed, Exception):
            raise failed
