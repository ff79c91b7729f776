"""Pages of kinds: thresholds that machines have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.durations import NEVER
from lastseen.errors import InvalidInput, NotFound
from lastseen.manage import kinds
from lastseen.manage.office import Office
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.machine_form import faults
from lastseen.web.dashboard.rendering import templates
from lastseen.words import say

SPANS: Final = ("offline_after", "every")
SHOWN: Final = ("name", *SPANS)


def kind_routes() -> APIRouter:
    router = APIRouter(prefix="/kinds", route_class=Page, include_in_schema=False)

    @router.get("")
    async def listed(request: Request, office: Asked) -> Response:
        return await _page(request, office, {}, {})

    @router.post("")
    async def add(request: Request, office: Asked) -> Response:
        said = await typed_in(request)
        try:
            await kinds.add(office, said.get("name", ""), **_spans(said))
        except InvalidInput as error:
            return await _page(request, office, said, faults(error), 422)
        return RedirectResponse("/kinds", 303)

    @router.get("/edit")
    async def edit(request: Request, office: Asked, name: str = "") -> Response:
        office.who.must_be_admin()
        return _form(request, name, _typed(await _one(office, name)), {})

    @router.post("/edit")
    async def save(request: Request, office: Asked) -> Response:
        said = await typed_in(request)
        office.who.must_be_admin()
        name = (await _one(office, said.get("name", "")))["name"]
        try:
            await kinds.put(office, name, **_spans(said))
        except InvalidInput as error:
            return _form(request, name, said, faults(error), 422)
        return RedirectResponse("/kinds", 303)

    @router.get("/remove")
    async def about_removal(request: Request, office: Asked, name: str = "") -> Response:
        return templates(request, "kind_remove.html", kind=name, used=await kinds.used_by(office, name))

    @router.post("/remove")
    async def remove(request: Request, office: Asked) -> Response:
        await kinds.remove(office, (await typed_in(request)).get("name", ""))
        return RedirectResponse("/kinds", 303)

    return router


def _spans(said: Mapping[str, str]) -> dict[str, str | None]:
    """What is empty is taken back."""
    return {name: said.get(name) or None for name in SPANS}


async def _one(office: Office, name: str) -> Mapping[str, Any]:
    """Raises NotFound."""
    for one in await kinds.listed(office):
        if one["name"] == name:
            return one
    raise NotFound(say("there is no kind {name!r}", name=name))


def _typed(kind: Mapping[str, Any]) -> dict[str, str]:
    """As its form begins."""
    after, every = kind["offline_after_seconds"], kind["every_seconds"]
    limit = "" if after is None else "never" if not after else f"{after:g}s"
    return {"offline_after": limit, "every": "" if every is None else f"{every:g}s"}


def _usual(office: Office) -> timedelta | None:
    """The limit of those whose kind says none; None: never."""
    after = office.monitor.rules.offline_after
    return None if after == NEVER else after


def _form(
    request: Request, name: str, said: Mapping[str, str], errors: Mapping[str, str], status: int = 200
) -> Response:
    given: dict[str, Any] = {"kind": name, "said": said, "errors": errors, "shown": SHOWN}
    return templates(request, "kind_edit.html", status=status, **given)


async def _page(
    request: Request, office: Office, said: Mapping[str, str], errors: Mapping[str, str], status: int = 200
) -> Response:
    known = [{**one, "machines": await kinds.machines(office, one["name"])} for one in await kinds.listed(office)]
    given: dict[str, Any] = {"kinds": known, "said": said, "errors": errors, "shown": SHOWN}
    given |= {"is_admin": office.who.is_admin, "usual": _usual(office)}
    return templates(request, "kinds.html", status=status, **given)
