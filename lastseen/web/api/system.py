"""`/api/v1/system` and `/api/v1/nodes`: how the server itself fares, and the processes that watch."""

from __future__ import annotations

from fastapi import APIRouter, Response

from lastseen.manage import system
from lastseen.web.api import system_models as models
from lastseen.web.api.asked import PREFIX, Asked, answer, everything
from lastseen.web.api.models import Page

router = APIRouter(prefix=PREFIX, tags=["system"])


@router.get("/system", response_model=models.System, operation_id="system")
async def health(office: Asked) -> Response:
    """How the server itself fares

    For admins. What is wrong with the watching, what could not be told, what waits, and how the database grows."""
    return answer(await system.health(office))


@router.get("/nodes", response_model=Page[models.Node], operation_id="nodes_list")
async def nodes(office: Asked) -> Response:
    """The processes that watch on this database

    For admins."""
    return everything(await system.nodes(office))
