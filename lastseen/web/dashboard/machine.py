"""The page of one machine: how it is, what happened, who was told, what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from lastseen.errors import InvalidInput, UnknownMachine
from lastseen.manage import events, machines, notifications, reports, why
from lastseen.manage.jobs import zone_of
from lastseen.manage.office import Office
from lastseen.manage.overview import SPANS, pictured_over
from lastseen.model import Standing, Status
from lastseen.monitor.story import moment_of
from lastseen.monitor.story_layout import span
from lastseen.monitor.story_words import to_nobody
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page
from lastseen.web.dashboard.pictures import Picture, picture
from lastseen.web.dashboard.rendering import is_fragment, templates

OUTAGES: Final = 20
"""That are listed."""

LONGEST_VALUE: Final = 500
"""Characters of a value in a report that are shown."""


def machine_routes() -> APIRouter:
    router = APIRouter(route_class=Page, include_in_schema=False)

    @router.get("/machines/{slug}")
    async def machine(request: Request, office: Asked, slug: str, at: str = "") -> Response:
        return await _machine_page(request, office, slug, at)

    return router


async def _machine_page(request: Request, office: Office, slug: str, at: str) -> Response:
    """`at`: what happened around this time is told."""
    asked_wrong = ""
    try:
        told, when = await why.told(office, slug, at or None)
    except InvalidInput as error:
        asked_wrong = error.message
        told, when = await why.told(office, slug, None)
    again = await notifications.may_be_told_again(office, told.facts.told)
    try:
        standing = await machines.find(office, slug)
    except UnknownMachine:  # it was removed: what happened to it is still told
        if is_fragment(request):
            return Response(headers={"HX-Refresh": "true"})
        return templates(request, "machine_removed.html", story=told, when=when, layout=_LAYOUT, again=again)
    name = "machine_now.html" if is_fragment(request) else "machine.html"
    known = await _known(office, standing, when)
    given: dict[str, Any] = {"at": at, "asked_wrong": asked_wrong, "layout": _LAYOUT, "again": again}
    return templates(request, name, story=told, when=when, **known, **given)


async def _known(office: Office, standing: Standing, when: When) -> dict[str, Any]:
    ref = standing.machine.id
    said = await machines.show(office, ref)
    report = await reports.latest(office, ref)
    return {
        "one": said,
        "since": standing.since,
        "zone": said["schedule"] and zone_of(said["schedule"], said["timezone"]),
        "must_come": _must_come(office, standing, when),
        "may_edit": office.who.edits(standing.machine.owner),
        "pictures": await _pictures(office, standing, when),
        "outages": (await events.outages(office, ref, OUTAGES))["items"],
        "report": report,
        "values": [] if report is None else list(_values(report["body"])),
    }


def _must_come(office: Office, standing: Standing, when: When) -> datetime | None:
    """By when, not to be offline; None: it is already, or is not waited for."""
    left = office.monitor.described(standing, when.now).until_offline
    return None if left is None or standing.liveness.status is Status.OFFLINE else when.now + left


async def _pictures(office: Office, standing: Standing, when: When) -> Mapping[str, Picture]:
    (found,) = await pictured_over(office, [standing], tuple(SPANS), when.now)
    return {span: picture(one, span, when) for span, one in found.items()}


def _values(body: Mapping[str, Any], above: str = "") -> Sequence[tuple[str, str]]:
    """What a report says, as lines: numbers in objects by dotted names."""
    found: list[tuple[str, str]] = []
    for name, value in body.items():
        if isinstance(value, dict):
            found += _values(value, f"{above}{name}.")
        else:
            text = value if isinstance(value, str) else _plain(value)
            found.append((above + str(name), text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} …"))
    return found


def _plain(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return str(value)


_LAYOUT: Final = {"span": span, "to_nobody": to_nobody, "moment_of": moment_of}
