"""Pages of the server's own health, and of who did what."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from lastseen.manage import deeds, system
from lastseen.notifiers.wording import When
from lastseen.web.dashboard.asking import Asked, Page
from lastseen.web.dashboard.rendering import templates

DEEDS = 100


def system_routes() -> APIRouter:
    router = APIRouter(route_class=Page, include_in_schema=False)

    @router.get("/system")
    async def health(request: Request, office: Asked) -> Response:
        return templates(request, "system.html", health=await system.health(office), when=_when(office))

    @router.get("/system/log")
    async def audit(request: Request, office: Asked, before: int | None = None) -> Response:
        found = await deeds.listed(office, DEEDS, before)
        older: Any = found[-1]["id"] if len(found) == DEEDS else None
        return templates(request, "deeds.html", deeds=found, older=older, newest=before is None, when=_when(office))

    return router


def _when(office: Asked) -> When:
    return When(office.monitor.clock.now(), office.zone)
