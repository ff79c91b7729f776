"""Adding a machine: name it, copy a line to it, and see it come alive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request, Response

from lastseen.errors import Conflict, InvalidInput
from lastseen.manage import channels, kinds, machines
from lastseen.manage.jobs import zone_of
from lastseen.manage.office import Office
from lastseen.model.names import slugify
from lastseen.monitor.deadline import interval
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.machine_form import SHOWN, faults, said_in
from lastseen.web.dashboard.rendering import templates
from lastseen.web.dashboard.ways import ways_to_report
from lastseen.web.front import is_loopback
from lastseen.web.who import entrance_of
from lastseen.words import say

BEGUN: Mapping[str, str] = {"kind": "default"}
"""What the form begins with; what an admin adds is for everybody here, unless they say otherwise."""


def adding_routes() -> APIRouter:
    router = APIRouter(prefix="/machines", route_class=Page, include_in_schema=False)

    @router.get("/new")
    async def new(request: Request, office: Asked) -> Response:
        office.who.must_edit()
        shared = {"shared": "yes"} if office.who.is_admin else {}
        return await _form(request, office, {**BEGUN, **shared}, {})

    @router.post("/new")
    async def add(request: Request, office: Asked) -> Response:
        typed = await typed_in(request)
        try:
            made = await machines.add(office, _slug(typed), _said(office, typed))
        except (InvalidInput, Conflict) as error:
            return await _form(request, office, typed, _faults(error, typed), 422)
        return await _connect(request, office, made["slug"], made["key"])

    @router.get("/{slug}/connect")
    async def connect(request: Request, office: Asked, slug: str) -> Response:
        await machines.find_to_edit(office, slug)
        return await _connect(request, office, slug, None)

    @router.post("/{slug}/connect")
    async def new_key(request: Request, office: Asked, slug: str) -> Response:
        made = await machines.rotate_key(office, slug)
        return await _connect(request, office, slug, made["key"])

    @router.get("/{slug}/alive")
    async def alive(request: Request, office: Asked, slug: str) -> Response:
        return templates(request, "machine_alive.html", **await _alive(office, slug))

    return router


def _slug(typed: Mapping[str, str]) -> str:
    """None that could be one where there is nothing to make one of."""
    return typed.get("slug") or slugify(typed.get("name", ""))


def _faults(error: InvalidInput | Conflict, typed: Mapping[str, str]) -> dict[str, str]:
    """Where there is no slug, that is wrong with the name, or with what none can be made of."""
    found = faults(error)
    if not _slug(typed):
        found["slug"] = say("must be named in A-Z a-z 0-9 . _ : - as well")
        if not typed.get("name"):
            found["name"] = say("must not be empty")
            del found["slug"]
    return found


def _said(office: Office, typed: Mapping[str, str]) -> dict[str, Any]:
    said = said_in(typed)
    if office.who.user_id is not None:
        said["shared"] = bool(typed.get("shared"))
    return said


async def _form(
    request: Request, office: Office, typed: Mapping[str, str], errors: Mapping[str, str], status: int = 200
) -> Response:
    known = await kinds.listed(office)
    more = {"person": office.who.user_id is not None, "shown": SHOWN}
    return templates(request, "machine_new.html", status=status, said=typed, errors=errors, kinds=known, **more)


async def _connect(request: Request, office: Office, slug: str, key: str | None) -> Response:
    """With its key, where that was made now."""
    live = await _alive(office, slug)
    base = entrance_of(request).front.reached(request.scope)
    standing = await machines.find(office, slug)
    every = interval(standing.machine, standing.kind)
    ways = ways_to_report(live["one"], every, key, base, office.base_url() or "")
    here_alone = is_loopback(urlsplit(base).hostname or "")
    given: dict[str, Any] = {"key": key, "ways": ways, "base": base, "here_alone": here_alone}
    return templates(
        request, "machine_connect.html", place=f"/machines/{quote(slug, safe='')}/connect", **given, **live
    )


async def _alive(office: Office, slug: str) -> dict[str, Any]:
    now = office.monitor.clock.now()
    nobody = not any(channel.enabled for channel in await channels.visible(office))
    one = await machines.show(office, slug)
    zone = one["schedule"] and zone_of(one["schedule"], one["timezone"])
    return {"one": one, "zone": zone, "when": When(now, office.zone), "nobody": nobody}
