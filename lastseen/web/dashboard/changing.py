"""What people do with a machine that is there: change it, see to it, give it a key, remove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.errors import ConfigurationError, Conflict, InvalidInput
from lastseen.manage import advice, kinds, machines
from lastseen.manage.office import Office
from lastseen.web.dashboard.asking import Asked, Page, back_to, typed_in
from lastseen.web.dashboard.machine_form import SHOWN, changed_in, faults, typed_of
from lastseen.web.dashboard.rendering import templates

Order = Annotated[str, Path(pattern="^(pause|resume|disable|enable)$")]

TICKS: Final = ("shared",)
"""Fields that a browser leaves out where they are not ticked."""


def changing_routes() -> APIRouter:
    router = APIRouter(prefix="/machines/{slug}", route_class=Page, include_in_schema=False)

    @router.get("/edit")
    async def edit(request: Request, office: Asked, slug: str) -> Response:
        standing = await machines.find_to_edit(office, slug)
        typed = typed_of(standing.machine)
        return await _form(request, office, slug, typed, typed, {})

    @router.post("/edit")
    async def save(request: Request, office: Asked, slug: str) -> Response:
        typed = await typed_in(request)
        typed |= {name: typed.get(name, "") for name in TICKS if f"was.{name}" in typed}
        try:
            await machines.change(office, slug, changed_in(typed))
        except (InvalidInput, Conflict) as error:
            was = {name.removeprefix("was."): value for name, value in typed.items() if name.startswith("was.")}
            return await _form(request, office, slug, typed, was, faults(error), 422)
        return _to(slug)

    @router.post("/ack")
    async def acknowledge(request: Request, office: Asked, slug: str) -> Response:
        said = await typed_in(request)
        await machines.acknowledge(office, slug, office.who.name)
        return back_to(said, f"/machines/{slug}")

    @router.post("/orders/{verb}")
    async def order(request: Request, office: Asked, slug: str, verb: Order) -> Response:
        await machines.order(office, slug, verb)
        return _to(slug)

    _add_keys(router)
    _add_removal(router)
    return router


def _add_keys(router: APIRouter) -> None:
    @router.get("/keys")
    async def about_keys(request: Request, office: Asked, slug: str) -> Response:
        await machines.find_to_edit(office, slug)
        return templates(request, "machine_keys.html", one=await machines.show(office, slug))

    @router.post("/keys")
    async def new_addresses(request: Request, office: Asked, slug: str) -> Response:
        await machines.renew_addresses(office, slug)
        return RedirectResponse(f"/machines/{slug}/connect", 303)


def _add_removal(router: APIRouter) -> None:
    @router.get("/remove")
    async def about_removal(request: Request, office: Asked, slug: str) -> Response:
        await machines.find_to_edit(office, slug)
        return templates(request, "machine_remove.html", one=await machines.show(office, slug))

    @router.post("/remove")
    async def remove(request: Request, office: Asked, slug: str) -> Response:
        await machines.remove(office, slug)
        return RedirectResponse("/", 303)


def _to(slug: str) -> Response:
    return RedirectResponse(f"/machines/{slug}", 303)


async def _form(
    request: Request,
    office: Office,
    slug: str,
    typed: Mapping[str, str],
    was: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = 200,
) -> Response:
    """`was`: what the form began with."""
    given: dict[str, Any] = {"said": typed, "was": was, "errors": errors, "shown": SHOWN}
    one, known = await machines.show(office, slug), await kinds.listed(office)
    advised = await _advice(office, slug)
    return templates(request, "machine_edit.html", status=status, one=one, kinds=known, advice=advised, **given)


async def _advice(office: Office, slug: str) -> Sequence[str]:
    """Which limit would fit it, as far as it was listened to."""
    try:
        found: Sequence[str] = (await advice.of_one(office, slug))["text"]
    except ConfigurationError:  # this store counts no intervals
        return ()
    return found
