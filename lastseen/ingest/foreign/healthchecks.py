"""The ping API of Healthchecks, so that curl lines in crontabs and its many clients go on working with another address.

=============================================  ==========================================
path after `/ping/`                            means
=============================================  ==========================================
`<uuid>`, `<uuid>/`                            success
`<uuid>/start`, `/fail`, `/log`                a run has started, has failed; only a note
`<uuid>/<int>`                                 0 is success, 1 to 255 is a failure
`<ping key>/<slug>`, and all of these with it  the same, for the machine of this slug
=============================================  ==========================================

Any method counts, OPTIONS too; the address is all the authentication there is. Query: `rid`, a UUID that joins a start
to its end, and `create=1` with a slug.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from lastseen.errors import Conflict, UnknownMachine
from lastseen.ingest.asgi import Answer, Receive, Refused, Scope, beginning, has_body, text_answer
from lastseen.ingest.auth import Grant
from lastseen.ingest.bulk import made_with
from lastseen.ingest.foreign.base import Reporting, passed_on
from lastseen.ingest.gate import Gate
from lastseen.ingest.route import RawRoute
from lastseen.model import SLUG, Beat, MachineRef, Said
from lastseen.problems import DISABLED, WRONG_KEY, Problem
from lastseen.words import plain

PING_PREFIX = "/ping/"

KEPT = 10_000
"""Bytes of a body that are kept."""

READ = 10 * 1024 * 1024
"""Bytes of a body that are read at all; after them the ping is answered, and the connection closed."""

DAILY = {"every": timedelta(days=1), "offline_after": timedelta(hours=25), "max_runtime": timedelta(hours=1)}
"""What a machine is made with by `create=1`: Healthchecks' own period and grace."""

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_WORD = r"[-A-Za-z0-9_]+"
_DOES = r"start|fail|log|[0-9]+"
_BY_UUID = re.compile(rf"({_UUID})(?:/|/({_DOES}))?")
_BY_SLUG = re.compile(rf"({_WORD})/({_WORD})(?:/({_DOES}))?")
_RID = re.compile(_UUID, re.I)

_SAID = {"start": Said.START, "fail": Said.ERROR, "log": Said.NOTE}
_TAKES_UP = frozenset({Said.OK, Said.ERROR})
"""What makes a machine watched again that is paused until its next ping."""

_TEXT = "text/plain; charset=utf-8"
_PLAIN = {"Cache-Control": "max-age=0, no-cache, no-store, must-revalidate, private"}
_HEADERS = {**_PLAIN, "Ping-Body-Limit": str(KEPT), "Access-Control-Allow-Origin": "*"}
_OK = text_answer(200, _TEXT, b"OK", _HEADERS)
_OK_AND_BYE = text_answer(200, _TEXT, b"OK", {**_HEADERS, "Connection": "close"})
_CREATED = text_answer(201, _TEXT, b"Created", _HEADERS)
_NOT_FOUND = Problem(404, "not found")
_BAD_URL = Problem(400, "invalid url format")
_BAD_UUID = Problem(400, "invalid uuid format")
_WORDS = {401: _NOT_FOUND, 403: _NOT_FOUND, 422: _NOT_FOUND}
"""422: what the key makes machines with is there no more. Its clients know no such answer."""

_json = msgspec.json.Encoder(enc_hook=plain)


class Address(NamedTuple):
    """A ping address, taken apart. `slug` is "" where the key is a machine's own uuid."""

    key: str
    slug: str
    does: str


def read_address(path: str) -> Address | None:
    """What a path says; None: it is no ping address."""
    rest = path[len(PING_PREFIX) :]
    found = _BY_UUID.fullmatch(rest)
    if found:
        return Address(found[1], "", found[2] or "")
    found = _BY_SLUG.fullmatch(rest)
    return Address(found[1], found[2], found[3] or "") if found else None


class PingRoute(RawRoute):
    """The ASGI application behind `PING_PREFIX`."""

    name = PING_PREFIX

    def __init__(self, monitor: Reporting, gate: Gate) -> None:
        super().__init__(monitor)
        self._monitor, self._gate = monitor, gate

    async def take(self, scope: Scope, receive: Receive) -> Answer:
        address = read_address(scope["path"])
        if address is None:
            raise self._gate.wrong(scope, _NOT_FOUND)
        grant = await self._grant(scope, address)
        query = (
            dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
            if scope["query_string"]
            else {}
        )
        said, exit_code = _meaning(address)
        run = _run(query)
        self._gate.count((grant.key_id, address.slug) if address.slug else grant.key_id)
        kept, all_read = (b"", True)
        if has_body(dict(scope["headers"])):
            kept, all_read = await self.reading(beginning(receive, KEPT, READ))
        machine = _machine(address, grant)
        await self._take_up(machine, said)
        beat = Beat(
            machine, self._monitor.clock.now(), said, body=_body(kept, exit_code, said), run=run, exit_code=exit_code
        )
        created = await self._record(beat, grant, query)
        return _CREATED if created else _OK if all_read else _OK_AND_BYE

    async def _grant(self, scope: Scope, address: Address) -> Grant:
        key = address.key.encode()
        grant = self._gate.keys.get(key, self._monitor.clock.now()) or await self._gate.find(scope, key)
        owned = grant.machine_id is not None
        if grant.scope != "ping" or owned == bool(address.slug) or not grant.enabled:
            raise self._gate.wrong(scope, WRONG_KEY)
        return grant

    async def _take_up(self, machine: MachineRef, said: Said) -> None:
        out = await self._gate.keys.out_of_service()
        if machine in out.disabled:
            raise Refused(DISABLED)
        if machine in out.until_ping and said in _TAKES_UP:
            await self._monitor.resume(machine)

    async def _record(self, beat: Beat, grant: Grant, query: Mapping[str, str]) -> bool:
        """True: the machine was made for it."""
        try:
            await self._monitor.record(beat)
        except UnknownMachine:
            given = made_with(grant)
            if isinstance(beat.machine, int) or query.get("create") != "1" or given is None:
                raise
        else:
            return False
        self._gate.count(grant.key_id)
        created = await self._make(str(beat.machine), given)
        await self._monitor.record(beat)
        return created

    async def _make(self, slug: str, given: Mapping[str, Any]) -> bool:
        try:
            await self._monitor.watch(slug, expect="new", **DAILY, **given)
        except Conflict:
            return False  # another ping was quicker
        return True

    def refuse(self, problem: Problem) -> Answer:
        said = _WORDS.get(problem.status, problem)
        detail = "not found" if said.status == 404 else said.detail
        return text_answer(said.status, _TEXT, detail.encode(), {**_PLAIN, **passed_on(problem)})


def _machine(address: Address, grant: Grant) -> MachineRef:
    """By the slug that the key's own project calls it by, where it came from Healthchecks and is called otherwise."""
    if not address.slug:
        return grant.machine_id or 0
    called: Mapping[str, int] = (grant.defaults or {}).get("slugs") or {}
    return called.get(address.slug, address.slug)


def _meaning(address: Address) -> tuple[Said, int | None]:
    """What happened, and the exit code. Raises Refused."""
    if address.slug != address.slug.lower() or (address.slug and not SLUG.fullmatch(address.slug)):
        raise Refused(_BAD_URL)
    does = address.does
    if not does:
        return Said.OK, None
    if does in _SAID:
        return _SAID[does], None
    code = int(does[:9])
    if code > 255 or len(does) > 9:
        raise Refused(_BAD_URL)
    return (Said.ERROR if code else Said.OK), code


def _run(query: Mapping[str, str]) -> str | None:
    rid = query.get("rid")
    if rid is None:
        return None
    if not _RID.fullmatch(rid):
        raise Refused(_BAD_UUID)
    return rid.lower()


def _body(kept: bytes, exit_code: int | None, said: Said) -> str | None:
    """The output as text in a JSON object; of a failure also its last words, which is what an alert says."""
    body: dict[str, Any] = {}
    output = kept.decode("utf-8", "replace").replace("\0", "\ufffd")
    if output:
        body["output"] = output
    if exit_code is not None:
        body["exit_code"] = exit_code
    if said is Said.ERROR:
        body["message"] = _last_words(output, exit_code)
    return _json.encode(body).decode() if body else None


def _last_words(output: str, exit_code: int | None) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    words = [f"exit code {exit_code}"] if exit_code else []
    return ": ".join(words + [line[:200] for line in lines[-1:]])
