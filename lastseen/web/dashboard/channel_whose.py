"""The page on which a channel is called otherwise and, by an admin, given to somebody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.errors import Conflict, InvalidInput
from lastseen.manage import channels, owners
from lastseen.manage.office import Office
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.rendering import templates

SHOWN = ("name", "owner")


def whose_routes() -> APIRouter:
    router = APIRouter(prefix="/channels/{ref}/whose", route_class=Page, include_in_schema=False)

    @router.get("")
    async def about(request: Request, office: Asked, ref: str) -> Response:
        channel = await _known(office, ref)
        return await _form(request, office, channel, {"name": channel["name"], "owner": channel["owner"] or ""}, {})

    @router.post("")
    async def save(request: Request, office: Asked, ref: str) -> Response:
        said, channel = await typed_in(request), await _known(office, ref)
        field, number = "name", str(channel["id"])
        try:
            await channels.may_be_called(office, number, said.get("name", ""))
            if "owner" in said and said["owner"] != (channel["owner"] or ""):
                field = "owner"
                await channels.give(office, number, said["owner"] or None)
            await channels.rename(office, number, said.get("name", ""))
        except (InvalidInput, Conflict) as error:
            wrong = {error.field: error.message} if isinstance(error, InvalidInput) else {field: str(error)}
            return await _form(request, office, channel, said, wrong, 422)
        return RedirectResponse(f"/channels/{number}", 303)

    return router


async def _known(office: Office, ref: str) -> dict[str, Any]:
    """Raises UnknownChannel, Forbidden."""
    return await channels.shown(office, await channels.find_to_edit(office, ref))


async def _form(
    request: Request,
    office: Office,
    channel: Mapping[str, Any],
    said: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = 200,
) -> Response:
    people = sorted((await owners.names(office)).values()) if office.who.is_admin else []
    given: dict[str, Any] = {"channel": channel, "said": said, "errors": errors, "shown": SHOWN, "people": people}
    return templates(request, "channel_whose.html", status=status, **given)
