"""The page of silences: spans in which what happens to some machines is written down and not told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.durations import parse_duration
from lastseen.errors import InvalidInput
from lastseen.faults import Faults
from lastseen.manage import silences
from lastseen.manage.office import Office
from lastseen.model import Matcher
from lastseen.model.wishes import NAMED_BY
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.rendering import templates
from lastseen.words import say

SHOWN = ("name", "lasting", "start", *NAMED_BY, "all")
FIELDS = {"starts_at": "start", "ends_at": "lasting"}
"""Of the form, by those of the verbs."""


def silence_routes() -> APIRouter:
    router = APIRouter(prefix="/silences", route_class=Page, include_in_schema=False)

    @router.get("")
    async def listed(request: Request, office: Asked) -> Response:
        return await _page(request, office, {"lasting": "1h"}, {})

    @router.post("")
    async def add(request: Request, office: Asked) -> Response:
        said = await typed_in(request)
        try:
            await _added(office, said)
        except InvalidInput as error:
            errors = {FIELDS.get(one.field, one.field): one.message for one in (error, *error.others)}
            return await _page(request, office, said, errors, 422)
        return RedirectResponse("/silences", 303)

    @router.post("/{number}/end")
    async def end(request: Request, office: Asked, number: int) -> Response:
        await silences.end(office, number)
        return RedirectResponse("/silences", 303)

    return router


async def _added(office: Office, said: Mapping[str, str]) -> None:
    """Raises InvalidInput of all that is wrong."""
    office.who.must_edit()
    name = said.get("name", "")
    faults = Faults()
    if not name.strip():
        faults.note(InvalidInput(say("must not be empty"), "name"))
    with faults.noted():
        lasting = parse_duration(said.get("lasting", ""), "lasting")
    with faults.noted():
        start = _start(said.get("start", ""), office)
    with faults.noted():
        matcher = _matcher(said)
    faults.tell()
    await silences.add(office, name, lasting, matcher, office.who.name, start)


def _matcher(said: Mapping[str, str]) -> Matcher:
    """Of all machines only where that is ticked. Raises InvalidInput."""
    names, groups, tags, kinds = (_words(said.get(name, "")) for name in NAMED_BY)
    found = Matcher(groups, tags, kinds, names)
    if said.get("all") and found.of_machines:
        raise InvalidInput(say("is of every machine, and some are named: choose one of both"), "all")
    if not said.get("all") and not found.of_machines:
        raise InvalidInput(say("must be filled in, or groups, tags or kinds, or all be ticked"), "names")
    return found


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


def _start(text: str, office: Office) -> datetime | None:
    """As a browser's field for a moment has it, in the zone that people here read times in. Raises InvalidInput."""
    if not text:
        return None
    try:
        local = datetime.fromisoformat(text)
        return (local if local.tzinfo else local.replace(tzinfo=office.zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(say("must be a time such as 2025-10-10 03:00, not {text!r}", text=text), "start") from None


async def _page(
    request: Request, office: Office, said: Mapping[str, str], errors: Mapping[str, str], status: int = 200
) -> Response:
    when = When(office.monitor.clock.now(), office.zone)
    given: dict[str, Any] = {"silences": await silences.listed(office), "may_edit": office.who.edits_something}
    return templates(request, "silences.html", status=status, said=said, errors=errors, shown=SHOWN, when=when, **given)
