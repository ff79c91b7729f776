"""`GET /api/v1/machines/{id}/status`, and the same by the name `devices`: also by a machine's own key."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from lastseen.errors import UnknownMachine
from lastseen.ingest.asgi import Refused
from lastseen.manage import machines
from lastseen.manage.office import Office
from lastseen.manage.who import OPERATOR, Who
from lastseen.problems import Problem
from lastseen.web.api import models
from lastseen.web.api.asked import PREFIX, Ref, answer
from lastseen.web.who import entrance_of, who_or_machine

ANOTHERS = Problem(403, "a machine's key shows that machine only; an lsa_ key shows all of them")

router = APIRouter(prefix=PREFIX, tags=["machines"])


async def read_status(request: Request, ref: Ref) -> Response:
    who = await who_or_machine(request)
    office = entrance_of(request).office
    if isinstance(who, Who):
        return answer(await machines.status(office.of(who), ref))
    return answer(await _own_status(office, who.machine_id, ref))


async def _own_status(office: Office, own: int | None, ref: str) -> dict[str, Any]:
    """Raises Refused (403) without telling what there is."""
    try:
        status = await machines.status(office.of(OPERATOR), own or 0)
    except UnknownMachine:
        raise Refused(ANOTHERS) from None
    if ref not in (status["slug"], str(own)):
        raise Refused(ANOTHERS)
    return status


for _what in ("machines", "devices"):
    router.add_api_route(
        f"/{_what}/{{id}}/status",
        read_status,
        methods=["GET"],
        name=f"{_what}_status",
        operation_id=f"{_what}_status",
        summary="The status of one machine",
        description="By the machine's own key, itself only; by whoever may see it.",
        response_model=models.MachineStatus,
    )
