"""The page of keys: what programs come in with. The keys of machines are on their own pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.durations import parse_duration
from lastseen.errors import InvalidInput
from lastseen.manage import keys
from lastseen.manage.office import Office
from lastseen.model.names import group_meant
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.labels import label
from lastseen.web.dashboard.rendering import templates
from lastseen.words import say

SCOPES = ("api", "fleet", "ping")
SHOWN = ("scope", "label", "lasting", "may", "may_create", "kind", "group", "tags")


def key_routes() -> APIRouter:
    router = APIRouter(prefix="/keys", route_class=Page, include_in_schema=False)

    @router.get("")
    async def listed(request: Request, office: Asked) -> Response:
        return await _page(request, office, {"scope": "api", "may": "read"}, {})

    @router.post("")
    async def add(request: Request, office: Asked) -> Response:
        said = await typed_in(request)
        try:
            made = await _add(office, said)
        except InvalidInput as error:
            return await _page(request, office, said, {error.field: error.message}, status=422)
        return await _page(request, office, {"scope": "api", "may": "read"}, {}, made)

    @router.post("/{number}/revoke")
    async def revoke(request: Request, office: Asked, number: int) -> Response:
        await keys.revoke(office, number)
        return RedirectResponse("/keys", 303)

    return router


async def _add(office: Office, said: Mapping[str, str]) -> dict[str, Any]:
    """Raises InvalidInput."""
    scope = said.get("scope", "")
    if scope not in SCOPES:
        raise InvalidInput(say("must be one of {scopes}", scopes=", ".join(SCOPES)), "scope")
    lasting = parse_duration(said["lasting"], "lasting") if said.get("lasting") else None
    defaults: dict[str, Any] = {}
    if scope != "api":
        defaults = {"kind": said.get("kind"), "group": group_meant(said.get("group", ""))}
        defaults["tags"] = [tag for tag in (part.strip() for part in said.get("tags", "").split(",")) if tag]
        defaults["may_create"] = bool(said.get("may_create"))
    may = ("write" if said.get("may") == "write" else "read") if scope == "api" else None
    return await keys.add(office, scope, said.get("label", ""), lasting, defaults, may=may)


async def _page(
    request: Request,
    office: Office,
    said: Mapping[str, str],
    errors: Mapping[str, str],
    made: Mapping[str, Any] | None = None,
    status: int = 200,
) -> Response:
    """`made`: a new key, which is shown this once."""
    when = When(office.monitor.clock.now(), office.zone)
    of_programs = await keys.listed(office, machines=False)
    given: dict[str, Any] = {"keys": of_programs, "is_admin": office.who.is_admin, "shown": SHOWN}
    given |= {"scopes": [(one, label(one)) for one in (SCOPES if office.who.is_admin else SCOPES[:1])]}
    return templates(request, "keys.html", status=status, said=said, errors=errors, made=made, when=when, **given)
