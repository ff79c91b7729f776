"""`/api/v1/board`: how everything stands, as `lastseen watch` shows it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from fastapi import Query as InQuery

from lastseen.manage import watching
from lastseen.web.api import machine_models as models
from lastseen.web.api.asked import PREFIX, Asked, answer

router = APIRouter(prefix=PREFIX, tags=["machines"])


@router.get("/board", response_model=models.Board, operation_id="board")
async def board(office: Asked, query: Annotated[models.BoardQuery, InQuery()]) -> Response:
    """How everything stands

    How many machines have each status, and of them what is wrong first, the newest trouble on top; then who is late."""
    return answer(await watching.board(office, query.group, query.limit))
