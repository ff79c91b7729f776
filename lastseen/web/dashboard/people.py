"""The page of people: who may come in, as what, and by which link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.errors import Conflict, InvalidInput
from lastseen.manage import people
from lastseen.manage.office import Office
from lastseen.model.people import ROLES
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.labels import label
from lastseen.web.dashboard.rendering import templates


def people_routes() -> APIRouter:
    router = APIRouter(prefix="/people", route_class=Page, include_in_schema=False)

    @router.get("")
    async def listed(request: Request, office: Asked) -> Response:
        return await _page(request, office, {"role": "member"}, {})

    @router.post("")
    async def add(request: Request, office: Asked) -> Response:
        said = await typed_in(request)
        try:
            made = await people.add(office, said.get("name", ""), said.get("role", ""))
        except (InvalidInput, Conflict) as error:
            fault = {"name": str(error)} if isinstance(error, Conflict) else {error.field: error.message}
            return await _page(request, office, said, fault, status=422)
        link = await people.reset_link(office, made["id"])
        return await _page(request, office, {"role": "member"}, {}, link=link)

    @router.post("/{number}/role")
    async def change(request: Request, office: Asked, number: int) -> Response:
        said = await typed_in(request)
        return await _tried(request, office, people.change(office, number, said.get("role", "")))

    @router.post("/{number}/link")
    async def link(request: Request, office: Asked, number: int) -> Response:
        made = await people.reset_link(office, number)
        return await _page(request, office, {"role": "member"}, {}, link=made)

    @router.post("/{number}/logout")
    async def log_out(request: Request, office: Asked, number: int) -> Response:
        return await _tried(request, office, people.log_out(office, number))

    @router.get("/{number}/remove")
    async def about_removal(request: Request, office: Asked, number: int) -> Response:
        office.who.must_be_admin()
        return templates(request, "person_remove.html", person=await people.show(office, number))

    @router.post("/{number}/remove")
    async def remove(request: Request, office: Asked, number: int) -> Response:
        return await _tried(request, office, people.remove(office, number))

    return router


async def _tried(request: Request, office: Office, change: Any) -> Response:
    """The last admin stays one: the page says so."""
    try:
        await change
    except (InvalidInput, Conflict) as error:
        return await _page(request, office, {"role": "member"}, {"": str(error)}, status=409)
    return RedirectResponse("/people", 303)


async def _page(
    request: Request,
    office: Office,
    said: Mapping[str, str],
    errors: Mapping[str, str],
    link: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Response:
    """`link`: made now, to be handed to somebody."""
    when = When(office.monitor.clock.now(), office.zone)
    given: dict[str, Any] = {"people": await people.listed(office), "roles": [(role, label(role)) for role in ROLES]}
    return templates(request, "people.html", status=status, said=said, errors=errors, link=link, when=when, **given)
