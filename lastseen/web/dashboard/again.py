"""Pages on which what was given up is told again: the number first, of one channel or of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from lastseen.errors import InvalidInput
from lastseen.manage import channels, notifications
from lastseen.manage.office import Office
from lastseen.model.story import Which
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.rendering import templates
from lastseen.words import say

ROWS: Final = 100
"""Of what would be told again, on the page."""

MOST: Final = 10_000
"""So many are told again at once."""


def again_routes() -> APIRouter:
    router = APIRouter(prefix="/channels/given-up", route_class=Page, include_in_schema=False)

    @router.get("")
    async def look(request: Request, office: Asked, channel: str = "", told: int | None = None) -> Response:
        return await _page(request, office, channel, told=told)

    @router.post("")
    async def again(request: Request, office: Asked) -> Response:
        said = await typed_in(request)
        ref = said.get("channel", "")
        try:
            most = _number(said.get("most", ""))
        except InvalidInput as error:
            return await _page(request, office, ref, errors={error.field: error.message})
        done = await notifications.replay_dead(office, (await _which(office, ref))[0], most)
        return RedirectResponse(f"/channels/given-up?channel={quote(ref, safe='')}&told={len(done)}", 303)

    return router


def _number(text: str) -> int:
    """Raises InvalidInput."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST:
        raise InvalidInput(say("must be a number from 1 to {most}", most=MOST), "most")
    return int(text[:9])


async def _which(office: Office, ref: str) -> tuple[Which, Mapping[str, Any] | None]:
    """And the channel, where it is of one. Raises UnknownChannel, Forbidden."""
    if not ref:
        return Which(), None
    found = await channels.find_to_edit(office, ref)
    return Which(channel=found.name), {"id": found.id, "name": found.name}


async def _page(
    request: Request, office: Office, ref: str, *, told: int | None = None, errors: Mapping[str, str] | None = None
) -> Response:
    """`told`: so many are told again."""
    which, channel = await _which(office, ref)
    found = await notifications.given_up(office, which, ROWS)
    rows = [one for one in found.rows if one["finished_at"]]
    given: dict[str, Any] = {"found": found, "rows": rows, "channel": channel, "most": min(found.count, MOST)}
    given |= {"when": When(office.monitor.clock.now(), office.zone), "told": told, "errors": errors or {}}
    return templates(request, "given_up.html", status=422 if errors else 200, **given)
