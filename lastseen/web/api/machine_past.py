"""What happened to one machine: its events, outages, uptime, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Query as InQuery

from lastseen.durations import parse_duration
from lastseen.manage import events, uptimes, why
from lastseen.web.api import machine_models as models
from lastseen.web.api.asked import PREFIX, Asked, Paged, Ref, answer, zone
from lastseen.web.api.event_models import Event
from lastseen.web.api.models import Page

router = APIRouter(prefix=f"{PREFIX}/machines/{{id}}", tags=["machines"])
everybodys = APIRouter(prefix=PREFIX, tags=["machines"])


@router.get("/events", response_model=Page[Event], operation_id="machines_events")
async def of_machine(office: Asked, ref: Ref, query: Annotated[Paged, InQuery()]) -> Response:
    """What happened to a machine, the newest first

    To one that was removed too."""
    return answer(await events.of_machine(office, ref, query.limit, query.cursor))


@router.get("/outages", response_model=Page[models.Outage], operation_id="machines_outages")
async def outages(office: Asked, ref: Ref, query: Annotated[Paged, InQuery()]) -> Response:
    """Its outages, the newest first

    Of a machine that was removed too."""
    return answer(await events.outages(office, ref, query.limit, query.cursor))


@router.get("/uptime", response_model=models.MachineUptime, operation_id="machines_uptime")
async def uptime(office: Asked, ref: Ref, query: Annotated[models.ZonedUptimeQuery, InQuery()]) -> Response:
    """How much of the time it was up

    Time in which nobody could have known does not count. Days are those of `timezone`."""
    span = parse_duration(query.window, "window")
    office = office.read_in(zone(query.timezone))
    return answer(await uptimes.show(office, ref, span, without_silenced=query.without_silenced))


@everybodys.get("/uptime", response_model=Page[models.WholeUptime], operation_id="uptime_list")
async def uptime_of_all(office: Asked, query: Annotated[models.AllUptimeQuery, InQuery()]) -> Response:
    """How much of the time each machine was up, by id

    A page may hold fewer than were asked for, and another one still follow."""
    span = parse_duration(query.window, "window")
    left_out, limit = query.without_silenced, query.limit
    return answer(await uptimes.page(office, span, without_silenced=left_out, limit=limit, cursor=query.cursor))


@router.get("/why", response_model=models.Why, operation_id="machines_why")
async def explained(office: Asked, ref: Ref, query: Annotated[models.WhyQuery, InQuery()]) -> Response:
    """What happened to it, who was told, and who was not, and why

    Of machines that were removed too."""
    return answer(await why.described(office.read_in(zone(query.timezone)), ref, query.at))
