"""`/api/v1/events` and `/api/v1/notifications`: what happened, and who was told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi import Query as InQuery

from lastseen.manage import events, notifications
from lastseen.model.directory import Leaf
from lastseen.web.api import event_models as models
from lastseen.web.api.asked import PREFIX, Asked, answer
from lastseen.web.api.models import Page

router = APIRouter(prefix=PREFIX)

Uid = Annotated[str, Path(alias="id", description="its id or its uid", examples=["7"])]


@router.get("/events", tags=["events"], response_model=Page[models.Event], operation_id="events_list")
async def happened(office: Asked, query: Annotated[models.EventQuery, InQuery()]) -> Response:
    """What happened, the newest first"""
    leaf = Leaf(query.machine, types=tuple(query.type), since=query.since, until=query.until, limit=query.limit)
    return answer(await events.page(office, leaf, query.cursor))


@router.get(
    "/notifications",
    tags=["notifications"],
    response_model=Page[models.Notification],
    operation_id="notifications_list",
)
async def told(office: Asked, query: Annotated[models.NotificationQuery, InQuery()]) -> Response:
    """Who was told what, the newest first"""
    return answer(
        await notifications.page(
            office,
            state=query.state,
            channel=query.channel,
            machine=query.machine,
            since=query.since,
            limit=query.limit,
            cursor=query.cursor,
        )
    )


@router.post(
    "/notifications/replay",
    tags=["notifications"],
    response_model=models.ToldAgain,
    operation_id="notifications_replay_dead",
)
async def replay_dead(office: Asked, which: models.GivenUp) -> Response:
    """Tell again what was given up

    Of what who asks may see and change, the oldest first; `left` says how many are not told yet. What was told since,
    or waits to be told, is left out, so that asking twice says nothing twice."""
    return answer(
        await notifications.again(
            office, which.channel, which.machine, which.since, most=which.limit, dry_run=which.dry_run
        )
    )


@router.post(
    "/notifications/{id}/replay",
    tags=["notifications"],
    status_code=201,
    response_model=models.Notification,
    operation_id="notifications_replay",
)
async def replay(office: Asked, uid: Uid) -> Response:
    """Tell it again

    A new notification of the same event for the same channel. Where such a one waits already, that one."""
    return answer(await notifications.replay(office, uid), 201)
