"""The page of all events, and the same as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lastseen.errors import Busy, InvalidInput, UnknownMachine
from lastseen.manage import events
from lastseen.manage.beside import drawn
from lastseen.manage.called import called
from lastseen.manage.office import Office
from lastseen.model import EventType
from lastseen.model.directory import Leaf
from lastseen.monitor.moment import named
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page
from lastseen.web.dashboard.rendering import is_fragment, templates
from lastseen.words import say

PAGE: Final = 100

BATCH: Final = 1000
"""Events that are read at once for a file."""

MOST: Final = 100_000
"""Events in a file."""

AT_ONCE: Final = 8
"""Files that are written at the same time: who reads slowly keeps a part of one in memory."""

COLUMNS: Final = (
    "id", "uid", "type", "severity", "machine_id", "machine", "at", "previous_status", "status", "reason", "last_seen",
    "incident_id",
)  # fmt: skip

TIMES: Final = ("at", "last_seen")

FILTERS: Final = ("machine", "type", "since", "until")

File = Literal["csv", "json"]

Rows = Sequence[Mapping[str, Any]]

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Asking:
    """What the address says, and what is wrong with it, by field."""

    said: Mapping[str, str]
    leaf: Leaf
    errors: Mapping[str, str]

    @classmethod
    async def of(cls, given: Mapping[str, str], office: Office, limit: int) -> Asking:
        said = {name: given.get(name, "").strip() for name in FILTERS}
        now, errors = office.monitor.clock.now(), {}
        moments: dict[str, Any] = {}
        for number, name in enumerate(("since", "until")):
            if said[name]:
                try:
                    moments[name] = named(said[name], now, office.zone, name)[number]
                except InvalidInput as error:
                    errors[name] = error.message
        types = (said["type"],) if said["type"] else ()
        machine = await called(office, said["machine"]) if said["machine"] else None
        return cls(said, Leaf(machine, types=types, limit=limit, **moments), errors)

    def address(self, path: str = "/events", **more: str) -> str:
        words = urlencode({name: value for name, value in {**self.said, **more}.items() if value})
        return f"{path}?{words}" if words else path


class Export(StreamingResponse):
    """One of those that are `under_way` from its first byte to its last."""

    def __init__(
        self, parts: AsyncIterator[bytes], under_way: set[Export], headers: Mapping[str, str], media_type: str
    ) -> None:
        super().__init__(parts, headers=headers, media_type=media_type)
        self._under_way = under_way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._under_way.add(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._under_way.discard(self)


def event_routes() -> APIRouter:
    router = APIRouter(route_class=Page, include_in_schema=False)
    exports: set[Export] = set()

    @router.get("/events")
    async def happened(request: Request, office: Asked, cursor: str = "") -> Response:
        asking = await Asking.of(request.query_params, office, PAGE)
        found, errors = await _read(office, asking, cursor)
        when = When(office.monitor.clock.now(), office.zone)
        given = {"asking": asking, "said": asking.said, "errors": errors, "types": list(EventType), "cursor": cursor}
        status = 422 if errors else 200
        name = "events_list.html" if is_fragment(request) else "events.html"
        return templates(request, name, status=status, found=found, when=when, **given)

    @router.get("/events.{file}")
    async def exported(request: Request, office: Asked, file: File) -> Response:
        asking = await Asking.of(request.query_params, office, BATCH)
        for name, text in asking.errors.items():
            raise InvalidInput(text, name)
        first = await events.page(office, asking.leaf)
        if len(exports) >= AT_ONCE:  # nothing is waited for between this and the file's first byte
            raise Busy(say("{most} files are being written already: try again", most=AT_ONCE))
        write, media_type = _FILES[file]
        headers = {"Content-Disposition": f'attachment; filename="lastseen-events.{file}"', "Cache-Control": "no-store"}
        return Export(write(_all(office, asking.leaf, first), office.zone), exports, headers, media_type)

    return router


async def _read(office: Office, asking: Asking, cursor: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """A page, and what was wrong: then nothing is on it."""
    nothing: Mapping[str, Any] = {"items": [], "next": None}
    if asking.errors:
        return nothing, asking.errors
    try:
        return await events.page(office, asking.leaf, cursor or None), {}
    except UnknownMachine as error:
        return nothing, {"machine": str(error)}


async def _all(office: Office, leaf: Leaf, page: Mapping[str, Any]) -> AsyncIterator[Rows]:
    """The newest MOST, some at a time."""
    left = MOST
    while True:
        if page["items"]:
            yield page["items"][:left]
        left -= len(page["items"])
        if left <= 0 or page["next"] is None:
            return
        page = await events.page(office, leaf, page["next"])


async def _as_json(pages: AsyncIterator[Rows], zone: ZoneInfo | None) -> AsyncIterator[bytes]:
    """As the API has it: times are in UTC, wherever they are read."""
    before = b"[\n"
    async for rows in pages:
        yield before + await drawn(partial(_joined, rows))
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def _joined(rows: Rows) -> bytes:
    return b",\n".join(map(msgspec.json.encode, rows))


async def _as_csv(pages: AsyncIterator[Rows], zone: ZoneInfo | None) -> AsyncIterator[bytes]:
    """For people: times are where they read them, with their offset."""
    yield _lines([COLUMNS])
    async for rows in pages:
        yield await drawn(partial(_lines_of, rows, zone))


def _lines_of(rows: Rows, zone: ZoneInfo | None) -> bytes:
    return _lines(_cells(row, zone) for row in rows)


def _cells(row: Mapping[str, Any], zone: ZoneInfo | None) -> Sequence[object]:
    read = {name: _local(row[name], zone) for name in TIMES if row.get(name)}
    return [_cell({**row, **read}.get(name)) for name in COLUMNS]


def _local(moment: str, zone: ZoneInfo | None) -> str:
    return datetime.fromisoformat(moment).astimezone(zone).isoformat()


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    """What a machine said must not be a formula for whoever opens the file in a spreadsheet."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


_FILES: Final = {"csv": (_as_csv, "text/csv; charset=utf-8"), "json": (_as_json, "application/json")}
