"""Errors as HTTP says them: `application/problem+json` (RFC 9457), the same for every route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import msgspec

from lastseen.errors import (
    Busy,
    Conflict,
    Forbidden,
    InvalidInput,
    LastseenError,
    MalformedReport,
    NotFound,
    StoreUnavailable,
)
from lastseen.words import plain, say

RENAMED: Final = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Names as RFC 9110 (section 15.5) has them; those of `http` changed with Python 3.13."""

MEDIA_TYPE = "application/problem+json"

BUSY_RETRY = 1
STORE_RETRY = 5
"""Seconds that a client is asked to wait before it tries again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal. `errors` name the fields that are meant; `headers` go with the answer."""

    status: int
    detail: str
    errors: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return RENAMED.get(self.status) or HTTPStatus(self.status).phrase

    def body(self) -> bytes:
        said: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            said["errors"] = self.errors
        return msgspec.json.encode(said, enc_hook=plain)


NO_KEY = Problem(
    401,
    say("this needs a key: send it as `Authorization: Bearer <key>` or `X-API-Key: <key>`"),
    headers={"WWW-Authenticate": "Bearer"},
)
WRONG_KEY = Problem(
    401, say("this key is not valid: it is wrong, expired or revoked"), headers={"WWW-Authenticate": "Bearer"}
)
DISABLED = Problem(403, say("this machine is disabled; `lastseen machines enable` accepts it again"))
UNEXPECTED = Problem(500, say("something went wrong here, and was logged"))


def problem_of(error: LastseenError) -> Problem | None:
    """The answer to an error of ours; None: it is none that a client can do anything about."""
    match error:
        case MalformedReport():
            return Problem(400, error.message, _named(error))
        case InvalidInput():
            return Problem(422, str(error), _named(error))
        case Forbidden():
            return Problem(403, str(error))
        case NotFound():
            return Problem(404, str(error))
        case Conflict():
            return Problem(409, str(error))
        case Busy():
            return Problem(503, str(error), headers={"Retry-After": str(BUSY_RETRY)})
        case StoreUnavailable():
            detail = say("the store cannot take this now: try again later")
            return Problem(503, detail, headers={"Retry-After": str(STORE_RETRY)})
    return None


def _named(error: InvalidInput) -> tuple[Mapping[str, str], ...]:
    return tuple({"field": one.field, "detail": one.message} for one in (error, *error.others))
