"""A batch of reports: a JSON array, or one JSON object a line, taken apart so that each row can be read on its own."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lastseen.errors import MalformedReport

MOST_ROWS = 10_000
MAX_BYTES = 8 * 1024 * 1024

_FORM = "the body must be a JSON array, or one JSON object a line"
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def split_rows(body: bytes) -> Sequence[bytes | memoryview]:
    """Each row as it came. Raises MalformedReport when there are none to tell apart."""
    return _of_array(body) if body.lstrip()[:1] == b"[" else _of_lines(body)


def _of_array(body: bytes) -> Sequence[bytes | memoryview]:
    try:
        return [memoryview(row) for row in _array(body)]
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedReport(f"{_FORM}: {str(error).removeprefix('JSON is malformed: ')}") from None


def _of_lines(body: bytes) -> Sequence[bytes]:
    """A line that cannot be read is a bad row; a body whose first line is none at all is something else."""
    lines = body.split(b"\n")
    rows = [line for line in lines if line.strip()]
    if rows and not rows[0].lstrip().startswith(b"{"):
        raise MalformedReport(_FORM)
    return rows
