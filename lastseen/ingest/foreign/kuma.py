"""Uptime Kuma's push address: `ANY /api/push/<token>?status=up&msg=OK&ping=`. Only the query is read.

Every request that is wrong in itself is answered 404 with one and the same sentence, as its clients know it. What is
wrong on our side is not: 429 and 503, so that clients that repeat do.
"""

from __future__ import annotations

import math
import re
from urllib.parse import parse_qsl

import msgspec

from lastseen.ingest.asgi import Answer, Receive, Refused, Scope, text_answer
from lastseen.ingest.foreign.base import Reporting, passed_on
from lastseen.ingest.gate import Gate
from lastseen.ingest.route import RawRoute
from lastseen.model import Beat, Said
from lastseen.problems import WRONG_KEY, Problem
from lastseen.words import plain

PUSH_PREFIX = "/api/push/"

MOST_PING = 1e11
_MEDIA = "application/json; charset=utf-8"
_MISSING = b'{"ok":false,"msg":"Monitor not found or not active."}'
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?Infinity)", re.I)
_OK = text_answer(200, _MEDIA, b'{"ok":true}')
_OURS = (429, 500, 503)
_json = msgspec.json.Encoder(enc_hook=plain)


class PushRoute(RawRoute):
    """The ASGI application behind `PUSH_PREFIX`."""

    name = PUSH_PREFIX

    def __init__(self, monitor: Reporting, gate: Gate) -> None:
        super().__init__(monitor)
        self._monitor, self._gate = monitor, gate

    async def take(self, scope: Scope, receive: Receive) -> Answer:
        now = self._monitor.clock.now()
        token = scope["path"][len(PUSH_PREFIX) :].removesuffix("/").encode("utf-8", "replace")
        grant = self._gate.keys.get(token, now) or await self._gate.find(scope, token)
        if grant.scope != "push" or grant.machine_id is None or not grant.enabled:
            raise self._gate.wrong(scope, WRONG_KEY)
        self._gate.count(grant.key_id)
        said, body = read_push(scope["query_string"])
        await self._monitor.record(Beat(grant.machine_id, self._monitor.clock.now(), said, body=body))
        return _OK

    def refuse(self, problem: Problem) -> Answer:
        if problem.status not in _OURS:
            return text_answer(404, _MEDIA, _MISSING)
        body = _json.encode({"ok": False, "msg": problem.detail})
        return text_answer(problem.status, _MEDIA, body, passed_on(problem))


def read_push(query: bytes) -> tuple[Said, str | None]:
    """What a push says, and its body. Raises Refused."""
    if not query:
        return Said.OK, None
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="replace"))
    status, message = given.get("status") or "up", (given.get("msg") or "OK").replace("\0", "\ufffd")
    ping = _ping(given.get("ping", ""))
    said = Said.OK if status == "up" else Said.ERROR
    if said is Said.OK and message == "OK" and ping is None:
        return said, None
    body = {"message": message} if ping is None else {"message": message, "ping": ping}
    return said, _json.encode(body).decode()


def _ping(text: str) -> float | None:
    """Milliseconds, read as its author's language does: what does not begin with a number is none."""
    found = _NUMBER.match(text)
    value = float(found[1]) if found else math.nan
    if math.isnan(value) or value == 0:
        return None
    if not 0 <= value <= MOST_PING:
        raise Refused(Problem(400, "ping is out of range"))
    return value
