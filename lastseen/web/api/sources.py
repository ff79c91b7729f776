"""`/api/v1/sources`: brokers that machines report through. A running server follows what is changed here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Query as InQuery

from lastseen.manage import source_test
from lastseen.manage import sources as verbs
from lastseen.web.api import other_models as models
from lastseen.web.api.asked import PREFIX, Asked, Name, Paged, answer, everything, renamed
from lastseen.web.api.models import Page

router = APIRouter(prefix=f"{PREFIX}/sources", tags=["sources"])


@router.get("", response_model=Page[models.ListedSource], operation_id="sources_list")
async def listed(office: Asked) -> Response:
    """List sources, and whether they hear"""
    return everything(await verbs.listed(office))


@router.post("", status_code=201, response_model=models.Source, operation_id="sources_add")
async def add(office: Asked, new: models.NewSource) -> Response:
    """Listen to an MQTT broker"""
    with renamed(kind="machine_kind"):
        made = await verbs.add(office, new.name, new.options())
    return answer(made, 201, Location=f"{PREFIX}/sources/{made['id']}")


@router.get("/{id}", response_model=models.OneSource, operation_id="sources_show")
async def show(office: Asked, name: Name) -> Response:
    """Show a source, how it fares, and what it hears that no machine has"""
    return answer(await verbs.show(office, name))


@router.patch("/{id}", response_model=models.Source, operation_id="sources_change")
async def change(office: Asked, name: Name, changes: models.SourceChanges) -> Response:
    """Change a source"""
    with renamed(kind="machine_kind"):
        return answer(await verbs.change(office, name, changes.options()))


@router.delete("/{id}", response_model=models.RemovedSource, operation_id="sources_remove")
async def remove(office: Asked, name: Name) -> Response:
    """Listen to it no more

    What it calls machines is forgotten; the machines and their history stay."""
    return answer(await verbs.remove(office, name))


@router.post("/test", response_model=models.TriedSource, operation_id="sources_try")
async def try_(office: Asked, new: models.NewSource) -> Response:
    """Look in at a broker before it is added

    Nothing is kept."""
    with renamed(kind="machine_kind"):
        return answer(await source_test.test_of(office, None, new.options()))


@router.post("/{id}/test", response_model=models.TriedSource, operation_id="sources_test")
async def test(office: Asked, name: Name) -> Response:
    """Look in at its broker, now

    `ok` false says why it could not be heard; `heard` names what was, some seconds long."""
    return answer(await source_test.test(office, name))


@router.post("/{id}/pause", response_model=models.Source, operation_id="sources_pause")
async def pause(office: Asked, name: Name) -> Response:
    """Listen to it no more for now

    Meanwhile nobody who was heard on it is found silent."""
    return answer(await verbs.switch(office, name, False))


@router.post("/{id}/resume", response_model=models.Source, operation_id="sources_resume")
async def resume(office: Asked, name: Name) -> Response:
    """Listen to it again"""
    return answer(await verbs.switch(office, name, True))


@router.get("/{id}/blind", response_model=Page[models.Blind], operation_id="sources_blind")
async def blind(office: Asked, name: Name, query: Annotated[Paged, InQuery()]) -> Response:
    """When it could not have heard anybody, the newest first"""
    return answer(await verbs.blind(office, name, query.limit, query.cursor))
