"""What every route of the management API shares: who asks, what they may say, and how it is answered."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Depends, Path, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from lastseen.errors import InvalidInput
from lastseen.manage.office import Office
from lastseen.model.names import group_meant
from lastseen.model.texts import refuse_unfit
from lastseen.web.who import office_of
from lastseen.web.zones import zone_named
from lastseen.words import plain

PREFIX = "/api/v1"
MEDIA_TYPE = "application/json"
LONGEST_LIST = 1000

_encoder = msgspec.json.Encoder(enc_hook=plain)


Asked = Annotated[Office, Depends(office_of)]
"""The verbs' office, for who asks."""


def _fit(text: str) -> str:
    try:
        refuse_unfit(text=text)
    except InvalidInput as error:
        raise ValueError(error.message) from None
    return text


def _kept(moment: datetime) -> datetime:
    if not 1970 <= moment.year < 9000:
        raise ValueError("must be a time after 1970 and before the year 9000")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_kept)]
"""RFC 3339, with an offset."""

Text = Annotated[str, AfterValidator(_fit)]
"""One that every store can keep."""

Group = Annotated[Text, Field(min_length=1, max_length=200), AfterValidator(group_meant)]
"""One that is named by those who look at pages too."""

DEEPEST = 20


def _fit_all(value: Any, depth: int = 0) -> Any:
    """Raises ValueError where there is something in it that no store can keep."""
    if depth > DEEPEST:
        raise ValueError(f"is nested deeper than {DEEPEST} times")
    if isinstance(value, str):
        return _fit(value)
    if isinstance(value, dict):
        return {_fit(name): _fit_all(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list):
        return [_fit_all(one, depth + 1) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a finite number")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("is a number greater, or smaller, than any that can be kept")
    return value


Json = Annotated[dict[str, Any], AfterValidator(_fit_all)]
"""An object whose fields somebody else checks."""

Ref = Annotated[str, Path(alias="id", description="its id or its slug", examples=["db-01"])]
"""Which machine. What nobody can be called is nobody."""

Name = Annotated[str, Path(alias="id", description="its id or its name", examples=["ops"])]
"""Which channel or source."""

Number = Annotated[int, Path(alias="id", description="its id", ge=1, le=2**63 - 1, examples=[7])]
"""Which silence, notification or key."""

LONGEST_SPAN = 1e10


def _span(value: Any) -> str | float:
    if isinstance(value, str) and len(value) <= 50:
        return _fit(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST_SPAN:
        return value
    raise ValueError("must be a duration: seconds, or a text such as 90s, 2m or 1h30m")


Span = Annotated[
    str | float,
    PlainValidator(_span),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "maxLength": 50}]}),
]
"""Not a union for pydantic: that would call the field by the names of its parts."""


class Said(BaseModel):
    """What a request says: of the types that are meant, and nothing that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    def said(self) -> dict[str, Any]:
        """What was said, by field; what was not is left out."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Query(BaseModel):
    """What an address says behind its question mark, where everything is text."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Paged(Query):
    limit: int = Field(default=100, ge=1, le=LONGEST_LIST, description="how many at most")
    cursor: str | None = Field(default=None, max_length=2000, description="`next` of the page before")


Zone = Annotated[
    str | None,
    Field(max_length=100, description="IANA name of the zone that days and times are in; else the server's"),
]
"""As an address says it."""


def zone(name: str | None) -> ZoneInfo | None:
    """Raises InvalidInput where there is none of this name."""
    if name is None:
        return None
    found = zone_named(name)
    if found is None:
        raise InvalidInput(f"there is no time zone {name!r}; wanted is one such as Europe/Berlin", "timezone")
    return found


@contextmanager
def renamed(**fields: str) -> Iterator[None]:
    """A field that is called otherwise here than by the verbs is named as it is called here."""
    try:
        yield
    except InvalidInput as error:
        raise error.called(lambda field: fields.get(field, field)) from None


def everything(items: list[dict[str, Any]]) -> Response:
    """A list that is never long, in the shape of those that are."""
    return answer({"items": items, "next": None})


def answer(value: Any, status: int = 200, **headers: str) -> Response:
    """JSON values as they are: the verbs made them, and looking at each again would cost more than making them."""
    return Response(_encoder.encode(value), status, headers, MEDIA_TYPE)
