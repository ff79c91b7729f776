"""`/api/v1/kinds` and `/api/v1/silences`: thresholds in common, and what is not told for a while."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from lastseen.durations import parse_duration
from lastseen.errors import InvalidInput
from lastseen.faults import Faults
from lastseen.manage import kinds, silences
from lastseen.model import Matcher
from lastseen.web.api import other_models as models
from lastseen.web.api.asked import PREFIX, Asked, Number, Text, answer, everything
from lastseen.web.api.models import Page

router = APIRouter(prefix=PREFIX)

KindName = Annotated[Text, Path(alias="id", description="its name", max_length=100, examples=["server"])]


@router.get("/kinds", tags=["kinds"], response_model=Page[models.Kind], operation_id="kinds_list")
async def all_kinds(office: Asked) -> Response:
    """List kinds"""
    return everything(await kinds.listed(office))


@router.put("/kinds/{id}", tags=["kinds"], response_model=models.Kind, operation_id="kinds_set")
async def set_kind(office: Asked, name: KindName, changes: models.KindChanges) -> Response:
    """Make or change a kind

    Its machines are looked at again at once."""
    return answer(await kinds.put(office, name, **changes.said()))


@router.delete("/kinds/{id}", tags=["kinds"], response_model=models.RemovedKind, operation_id="kinds_remove")
async def remove_kind(office: Asked, name: KindName) -> Response:
    """Remove a kind that nothing uses

    No machine is of it, and no source or key adds such."""
    return answer(await kinds.remove(office, name))


@router.get("/silences", tags=["silences"], response_model=Page[models.Silence], operation_id="silences_list")
async def all_silences(office: Asked) -> Response:
    """List silences that are not over"""
    return everything(await silences.listed(office))


@router.post(
    "/silences", tags=["silences"], status_code=201, response_model=models.Silence, operation_id="silences_add"
)
async def add(office: Asked, new: models.NewSilence) -> Response:
    """Hold back what happens to some machines

    Now or planned. Of all machines only where that is said: `"machines": {"all": true}`. An admin's is of whatever
    machines it names; another's of those of them that they may change, which are written down: none that comes later.
    What is still so at the end is told then."""
    office.who.must_edit()
    faults = Faults()
    with faults.noted():
        span = parse_duration(new.lasting, "lasting")
    with faults.noted():
        matcher = _matcher(new.machines)
    faults.tell()
    return answer(await silences.add(office, new.name, span, matcher, office.who.name, new.starts_at), 201)


def _matcher(which: models.Which) -> Matcher:
    """Raises InvalidInput where nothing is named, so that nobody silences all machines by a slip."""
    found = Matcher(tuple(which.groups), tuple(which.tags), tuple(which.kinds), tuple(which.names))
    if which.all and found.of_machines:
        raise InvalidInput("must not be true where groups, tags, kinds or names are given", "machines.all")
    if not which.all and not found.of_machines:
        raise InvalidInput('must name groups, tags, kinds or names, or say "all": true', "machines")
    return found


@router.delete("/silences/{id}", tags=["silences"], response_model=models.Silence, operation_id="silences_end")
async def end(office: Asked, silence: Number) -> Response:
    """End a silence now

    What is still so is told."""
    return answer(await silences.end(office, silence))
