"""Which limit would fit a machine."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Response
from fastapi import Query as InQuery
from pydantic import BaseModel, Field

from lastseen.durations import parse_duration
from lastseen.manage import advice
from lastseen.web.api.asked import PREFIX, Asked, Query, Ref, Said, Zone, answer, zone

router = APIRouter(prefix=f"{PREFIX}/machines/{{id}}", tags=["machines"])

Span = Annotated[str, Field(max_length=50)]
Since = Annotated[datetime | None, Field(description="since when it is its turn; null: it is not")]
Begins = Annotated[datetime | None, Field(description="when its turn begins, some minutes from now; null: none is to")]


class AdviceQuery(Query):
    window: Span = Field(default="30d", description="how far back, at most 42d")
    false_alarms_under: Span | None = Field(
        default=None, description="shorter silences are; else under twice its limit"
    )
    limit: Span | None = Field(default=None, description="what would this limit have made of that time?")
    timezone: Zone = None


class Listening(Said):
    lasting: Span = Field(description="for how long, 10m to 30d", examples=["2d"])


class Within(BaseModel):
    percent: str = Field(examples=["99.9"])
    seconds: float


class SilentSpan(BaseModel):
    started_at: datetime
    ended_at: datetime
    seconds: float


class Would(BaseModel):
    offline_after_seconds: float
    outages: int
    intervals: int


class Advice(BaseModel):
    """By how it was heard, and by its outages by silence that ended with a heartbeat."""

    id: int
    machine: str
    start: datetime
    end: datetime
    known: Literal["nothing", "little", "enough"]
    intervals: int
    sampled_seconds: float
    first_at: datetime | None
    last_at: datetime | None
    within: list[Within]
    longest_seconds: float | None
    offline_after_seconds: float = Field(description="0: never")
    proposed_seconds: float | None = Field(description="null: none is proposed, `text` says why")
    false_alarms_under_seconds: float | None
    false_alarms: int
    newest_false_alarms: list[SilentSpan]
    other_silences: int = Field(description="the one that lasts is one of them")
    would: Would | None
    listening_since: Since
    listening_from: Begins
    text: list[str]


class Listened(BaseModel):
    id: int
    machine: str
    listening_since: Since
    listening_from: Begins
    listening_until: datetime


@router.get("/advice", response_model=Advice, operation_id="machines_advice")
async def advise(office: Asked, ref: Ref, query: Annotated[AdviceQuery, InQuery()]) -> Response:
    """Which limit would fit it, by how it was heard"""
    window = parse_duration(query.window, "window")
    under = None if query.false_alarms_under is None else parse_duration(query.false_alarms_under, "false_alarms_under")
    limit = None if query.limit is None else parse_duration(query.limit, "limit")
    office = office.read_in(zone(query.timezone))
    return answer(await advice.of_one(office, ref, window=window, brief_under=under, limit=limit))


@router.post("/listen", response_model=Listened, operation_id="machines_listen")
async def listen(office: Asked, ref: Ref, how: Annotated[Listening, Body()]) -> Response:
    """Count its intervals from some minutes on, before it is its turn"""
    return answer(await advice.listen(office, ref, parse_duration(how.lasting, "lasting")))
