"""`/api/v1/machines`: find, add, show, change, remove; their keys, and orders to them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response
from fastapi import Query as InQuery

from lastseen.errors import InvalidInput
from lastseen.manage import machines as verbs
from lastseen.web.api import machine_models as models
from lastseen.web.api.asked import LONGEST_LIST, PREFIX, Asked, Ref, answer
from lastseen.web.api.models import Page, Statuses

router = APIRouter(prefix=f"{PREFIX}/machines", tags=["machines"])


@router.get("", response_model=Page[models.Machine], operation_id="machines_list")
async def find(office: Asked, query: Annotated[models.MachineQuery, InQuery()]) -> Response:
    """Find machines"""
    return answer(await verbs.page(office, query.sought(), query.cursor, urls=query.urls))


@router.post(
    "",
    status_code=201,
    response_model=models.KeyedMachine,
    operation_id="machines_add",
    responses={200: {"model": models.KeyedMachine, "description": "with `if_missing`: it was there"}},
)
async def add(office: Asked, new: models.NewMachine) -> Response:
    """Add a machine

    Its key is shown this once."""
    said = {name: value for name, value in new.said().items() if name not in ("slug", "if_missing")}
    made = await verbs.add(office, new.slug, said, if_missing=new.if_missing)
    where = f"{PREFIX}/machines/{made['id']}"
    return answer(made, 200 if made["key"] is None else 201, Location=where)


@router.get("/status", response_model=Statuses, operation_id="machines_statuses")
async def statuses(office: Asked, query: Annotated[models.SomeMachines, InQuery()]) -> Response:
    """The status of several machines

    A machine whose slug is `status` is found by its id."""
    refs = [ref.strip() for ref in query.ids.split(",")]
    if len(refs) > LONGEST_LIST:
        raise InvalidInput(f"must be at most {LONGEST_LIST}, not {len(refs)}", "ids")
    return answer(await verbs.statuses(office, refs))


@router.get("/{id}", response_model=models.OneMachine, operation_id="machines_show")
async def show(office: Asked, ref: Ref) -> Response:
    """Show a machine"""
    return answer(await verbs.show(office, ref))


@router.patch("/{id}", response_model=models.OneMachine, operation_id="machines_change")
async def change(office: Asked, ref: Ref, changes: models.Changes) -> Response:
    """Change a machine

    What is not named stays. Of two who change different fields at the same time both are heard; of two who change the
    same field, the later."""
    return answer(await verbs.change(office, ref, changes.said()))


@router.delete("/{id}", response_model=models.Removed, operation_id="machines_remove")
async def remove(office: Asked, ref: Ref) -> Response:
    """Remove a machine

    Its history stays, under its id and the slug that it had: its events, its outages, and why."""
    return answer(await verbs.remove(office, ref))


@router.post("/{id}/rotate-key", response_model=models.KeyedMachine, operation_id="machines_rotate_key")
async def rotate_key(office: Asked, ref: Ref) -> Response:
    """Give it a new key

    Shown this once. The old one stays valid until the new one is first used, at most 7 days."""
    return answer(await verbs.rotate_key(office, ref))


@router.post("/{id}/new-addresses", response_model=models.OneMachine, operation_id="machines_new_addresses")
async def new_addresses(office: Asked, ref: Ref) -> Response:
    """Give it new ping and push addresses

    The old ones are worthless at once."""
    return answer(await verbs.renew_addresses(office, ref))


@router.post("/{id}/pause", response_model=models.OneMachine, operation_id="machines_pause")
async def pause(office: Asked, ref: Ref, how: Annotated[models.Pausing | None, Body()] = None) -> Response:
    """Stop watching it

    Heartbeats are still accepted."""
    return answer(await verbs.order(office, ref, "pause", by_hand=not (how and how.until_ping)))


@router.post("/{id}/resume", response_model=models.OneMachine, operation_id="machines_resume")
async def resume(office: Asked, ref: Ref) -> Response:
    """Watch it again

    With its full threshold from now."""
    return answer(await verbs.order(office, ref, "resume"))


@router.post("/{id}/disable", response_model=models.OneMachine, operation_id="machines_disable")
async def disable(office: Asked, ref: Ref) -> Response:
    """Refuse its key, and stop watching it"""
    return answer(await verbs.order(office, ref, "disable"))


@router.post("/{id}/enable", response_model=models.OneMachine, operation_id="machines_enable")
async def enable(office: Asked, ref: Ref) -> Response:
    """Accept its key again, and watch it"""
    return answer(await verbs.order(office, ref, "enable"))


@router.post("/{id}/ack", response_model=models.Acknowledged, operation_id="machines_ack")
async def acknowledge(office: Asked, ref: Ref, seen: Annotated[models.Seen | None, Body()] = None) -> Response:
    """Say that somebody has seen that it is offline or in error

    Reminders stop."""
    return answer(await verbs.acknowledge(office, ref, seen.by if seen else None))
