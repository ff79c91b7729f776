"""A batch of reports: a JSON array, or one JSON object a line, taken apart so that each row can be read on its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import msgspec

from lastseen.errors import MalformedReport

MOST_ROWS = 10_000
MAX_BYTES = 8 * 1024 * 1024
MAX_ROW = 64 * 1024 + 1
"""Characters of a row that are looked at where an array cannot be read as a whole."""

_SHOWN = 50
"""Characters of a name."""

_FORM = "the body must be a JSON array, or one JSON object a line"
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_BLANKS = re.compile(r"[ \t\r\n]*")
_lenient = json.JSONDecoder(strict=False).raw_decode


def split_rows(body: bytes) -> Sequence[bytes | memoryview]:
    """Each row as it came. Raises MalformedReport when there are none to tell apart."""
    return _of_array(body) if body.lstrip()[:1] == b"[" else _of_lines(body)


def _of_array(body: bytes) -> Sequence[bytes | memoryview]:
    try:
        return [memoryview(row) for row in _array(body)]
    except (msgspec.DecodeError, RecursionError) as error:
        rows = _by_a_lenient_reader(body)
        if rows is None:
            raise MalformedReport(f"{_FORM}: {str(error).removeprefix('JSON is malformed: ')}") from None
        return rows


def _by_a_lenient_reader(body: bytes) -> Sequence[bytes] | None:
    """The rows of an array that only some of them make unreadable: NaN, half of a surrogate pair, a control character.
    Each is refused by itself then. None: it is no array even so, or of too many or too long rows."""
    text = body.decode("utf-8", "surrogateescape").strip(" \t\r\n")
    rows: list[bytes] = []
    at, sign = 1, ","
    while sign == ",":
        at += _blanks(text, at)
        window = text[at : at + MAX_ROW]
        try:
            _, length = _lenient(window)
        except (ValueError, RecursionError):
            return None
        rows.append(window[:length].encode("utf-8", "surrogateescape"))
        at += length + _blanks(text, at + length)
        sign = text[at : at + 1]
        at += 1
        if len(rows) > MOST_ROWS:
            return None
    return rows if sign == "]" and at == len(text) else None


def _blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() - at if found else 0


def _of_lines(body: bytes) -> Sequence[bytes]:
    """A line that cannot be read is a bad row; a body whose first line is none at all is something else."""
    _must_not_wrap(body)
    lines = body.split(b"\n")
    rows = [line for line in lines if line.strip()]
    if rows and not rows[0].lstrip().startswith(b"{"):
        raise MalformedReport(_FORM)
    return rows


def _must_not_wrap(body: bytes) -> None:
    """Other programs' interfaces take `{"rows": [...]}`: taken for a row it would be one of no machine. Of lines no
    more is read here than the first."""
    try:
        fields = _object(body)
    except (msgspec.DecodeError, RecursionError):
        return
    inside = [name for name, value in fields.items() if bytes(memoryview(value)[:1]) == b"["]
    if inside and "machine" not in fields:
        raise MalformedReport(f"{_FORM}, not an object with the array in its field {inside[0][:_SHOWN]!r}")
