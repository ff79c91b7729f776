"""Where a list goes on, as a text that says nothing to whoever holds it: only what was given out is taken back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from lastseen.errors import InvalidInput
from lastseen.model.directory import Place
from lastseen.words import say

T = TypeVar("T")

LONGEST = 2000
"""Characters of a cursor: a name of 200 characters takes less."""

WRONG = say("is none that was given out for this list: leave it out to begin anew")

_SHAPES: Mapping[str, Any] = {
    "name": tuple[str, int],
    "status": tuple[int, str, int],
    "last_seen": tuple[datetime, int],
    "status_since": tuple[datetime, int],
    "group": tuple[str, str, int],
    "used_at": tuple[datetime, int],
    "id": tuple[int],
}
"""What a place is in each order."""

_GREATEST = {"id": 2**63 - 1}
_GREATEST_ID = 2**31 - 1


def cursor_of(order: str, descending: bool, place: Place) -> str:
    """`order`: one of `model.directory.SORTS`, `used_at`, or `id`."""
    said = msgspec.json.encode([order, descending, list(place)])
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


def place_in(cursor: str | None, order: str, descending: bool) -> Place | None:
    """None: from the beginning. Raises InvalidInput naming `cursor`."""
    if cursor is None:
        return None
    if len(cursor) > LONGEST:
        raise InvalidInput(WRONG, "cursor")
    try:
        said = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        given, direction, place = msgspec.json.decode(said, type=tuple[str, bool, list[Any]])
        if (given, direction) != (order, descending):
            raise InvalidInput(say("is of a list in another order: leave it out to begin anew"), "cursor")
        found: Place = msgspec.convert(place, _SHAPES[order])
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(WRONG, "cursor") from None
    if not _fits(found, _GREATEST.get(order, _GREATEST_ID)):
        raise InvalidInput(WRONG, "cursor")
    return found


def page_of(rows: Sequence[Any], limit: int, cursor: Any) -> dict[str, Any]:
    """`rows`: one more than are shown, where there are so many. `cursor`: from a row, where the list goes on."""
    shown = list(rows[:limit])
    return {"items": shown, "next": cursor(shown[-1]) if len(rows) > limit and shown else None}


def part_of(
    rows: Iterable[T], place: Callable[[T], Place], limit: int, cursor: str | None, order: str
) -> tuple[list[T], str | None]:
    """Of what was read as a whole, because it is never long: a page by `place`, and its `next`. Raises InvalidInput."""
    after = place_in(cursor, order, False)
    left = sorted((row for row in rows if after is None or place(row) > after), key=place)
    shown = left[:limit]
    return shown, cursor_of(order, False, place(shown[-1])) if len(left) > limit else None


def _fits(place: Place, greatest: int) -> bool:
    """Nothing in it that a store could not be asked for."""
    for part in place:
        if isinstance(part, int) and not 0 <= part <= greatest:
            return False
        if isinstance(part, str) and "\0" in part:
            return False
        if isinstance(part, datetime) and (part.tzinfo is None or not 1970 <= part.year < 9999):
            return False
    return True
