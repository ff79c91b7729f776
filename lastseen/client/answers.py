"""What an answer means: a value of the shape that is meant, or one of our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx
import msgspec

from lastseen.errors import (
    Busy,
    Conflict,
    Forbidden,
    InvalidInput,
    LastseenError,
    NotFound,
    StoreUnavailable,
    Unreachable,
)

T = TypeVar("T")

PROBLEM = "application/problem+json"
LONGEST = 1000
FIELDS = 100


def value_of(value: Any, shape: type[T], server: str) -> T:
    """The value itself, with what this version does not know. Raises Unreachable where something is missing."""
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise Unreachable(
            f"{server} answers otherwise than was expected ({error}): is it a lastseen server of another version?"
        ) from None
    found: T = value
    return found


def error_of(response: httpx.Response, server: str) -> LastseenError:
    """Of an answer that is no success."""
    status = response.status_code
    if response.is_redirect:
        return Unreachable(
            f"{server} redirects elsewhere ({status}), and that is not followed: the key would go along. "
            "Give the address where it ends"
        )
    problem = _problem(response)
    if problem is None:
        return Unreachable(f"{server} answers {status} without saying why: is that a lastseen server?")
    detail = _line(problem.get("detail") or problem.get("title") or status)
    match status:
        case 400 | 413 | 422:
            return _invalid(problem, detail)
        case 401 | 403:
            return Forbidden(detail)
        case 404:
            return NotFound(detail)
        case 409:
            return Conflict(detail)
        case 429:
            return Busy(detail)
        case 503:
            return StoreUnavailable(detail)
    return Unreachable(f"{server} answers {status}: {detail}")


def _problem(response: httpx.Response) -> Mapping[str, Any] | None:
    if response.headers.get("content-type", "").partition(";")[0].strip() != PROBLEM:
        return None
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _invalid(problem: Mapping[str, Any], detail: str) -> InvalidInput:
    """With all fields that are named."""
    errors = problem.get("errors")
    named = [one for one in errors[:FIELDS] if isinstance(one, dict)] if isinstance(errors, list) else []
    wrong = [(_line(one.get("detail", detail)), _line(one.get("field", ""))) for one in named]
    if not wrong:
        return InvalidInput(detail)
    return InvalidInput(*wrong[0], [InvalidInput(*other) for other in wrong[1:]])


def _line(said: object) -> str:
    """Printable, and no longer than people read."""
    return re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]+", " ", str(said)).strip()[:LONGEST]
