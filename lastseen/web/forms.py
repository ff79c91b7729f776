"""What a page's form sends."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request

from lastseen.ingest.asgi import Refused
from lastseen.problems import Problem
from lastseen.words import say

FIELDS: Final = 500

_TYPE = "application/x-www-form-urlencoded"


async def form_of(request: Request) -> ImmutableMultiDict[str, str]:
    """Its fields. Raises Refused: 415 for another encoding, 422 for too many fields."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise Refused(Problem(415, say("a form is sent as {type}", type=_TYPE)))
    body = (await request.body()).decode("latin-1")
    try:
        return ImmutableMultiDict(parse_qsl(body, keep_blank_values=True, max_num_fields=FIELDS))
    except ValueError:
        raise Refused(Problem(422, say("a form has {fields} fields at most", fields=FIELDS))) from None
