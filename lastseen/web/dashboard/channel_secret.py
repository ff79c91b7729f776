"""The page on which a webhook gets another secret: shown once, and the old one signs too for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from lastseen.durations import parse_duration
from lastseen.errors import Conflict, InvalidInput
from lastseen.manage import channels
from lastseen.manage.office import Office
from lastseen.model import Channel
from lastseen.web.dashboard.asking import Asked, Page, typed_in
from lastseen.web.dashboard.rendering import templates
from lastseen.words import say

TYPES: Final = ("webhook",)
"""Whose secrets we make."""

BEGUN: Final = {"keep": "7d"}


def secret_routes() -> APIRouter:
    router = APIRouter(prefix="/channels/{ref}/secret", route_class=Page, include_in_schema=False)

    @router.get("")
    async def about(request: Request, office: Asked, ref: str) -> Response:
        return _form(request, await _with_secret(office, ref), BEGUN, {})

    @router.post("")
    async def rotate(request: Request, office: Asked, ref: str) -> Response:
        said, channel = await typed_in(request), await _with_secret(office, ref)
        try:
            keep = parse_duration(said.get("keep", ""), "keep")
        except InvalidInput as error:
            return _form(request, channel, said, {error.field: error.message}, 422)
        made = await channels.rotate_secret(office, ref, keep)
        given: dict[str, Any] = {"channel": {"id": channel.id, "name": channel.name}, "said": said, "errors": {}}
        return templates(request, "channel_secret.html", secret=made["secret"], keep=keep, **given)

    return router


async def _with_secret(office: Office, ref: str) -> Channel:
    """Raises UnknownChannel, Forbidden, Conflict."""
    found = await channels.find(office, ref)
    channels.may_configure(office, found.owner_id)
    if found.type not in TYPES:
        raise Conflict(
            say("{name} is of type {type}: only webhooks have a secret to rotate", name=found.name, type=found.type)
        )
    return found


def _form(
    request: Request, channel: Channel, said: Mapping[str, str], errors: Mapping[str, str], status: int = 200
) -> Response:
    about: dict[str, Any] = {"channel": {"id": channel.id, "name": channel.name}, "said": said, "errors": errors}
    return templates(request, "channel_secret.html", status=status, secret=None, keep=None, **about)
