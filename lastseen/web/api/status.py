"""`GET /api/v1/machines/{id}/status`, and the same by the name `devices`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from lastseen.errors import UnknownMachine
from lastseen.manage.machines import id_in
from lastseen.model import SLUG, MachineRef
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.monitor.status import MachineStatus
from lastseen.web.api import models
from lastseen.web.api.heartbeat import problem_responses
from lastseen.web.auth import FindKey, holder_of, may_see

_SECURITY: dict[str, Any] = {"security": [{"bearer": []}, {"apiKey": []}]}


def status_routes(monitor: HeartbeatMonitor, find_key: FindKey) -> APIRouter:
    """The routes on a monitor."""
    router = APIRouter(prefix="/api/v1", tags=["machines"])

    async def read_status(request: Request, id: str) -> JSONResponse:  # noqa: A002  (the path's word)
        holder = await holder_of(request, find_key, monitor.clock)
        status = await find_status(monitor, id)
        may_see(holder, None if status is None else status.id)
        if status is None:
            raise UnknownMachine(id)
        return JSONResponse(status.as_dict())

    for what in ("machines", "devices"):
        router.add_api_route(
            f"/{what}/{{id}}/status",
            read_status,
            methods=["GET"],
            name=f"{what}_status",
            operation_id=f"{what}_status",
            summary="The status of one machine",
            description="`id` is its id or its slug. By the machine's own key, itself only, or by an `lsa_` key.",
            response_model=models.MachineStatus,
            responses=problem_responses("401", "403", "404", "503"),  # type: ignore[arg-type]  # keys may be texts
            openapi_extra=_SECURITY,
        )
    return router


async def find_status(monitor: HeartbeatMonitor, given: str) -> MachineStatus | None:
    """Digits are tried as a slug, then as an id."""
    number = id_in(given)
    refs: list[MachineRef] = [*([given] if SLUG.fullmatch(given) else ()), *([] if number is None else [number])]
    found = await monitor.statuses(refs, glance=True) if refs else {}
    return next((found[ref] for ref in refs if ref in found), None)
