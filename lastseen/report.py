"""What a machine says in one heartbeat: the body of `POST /api/v1/heartbeat`, read strictly.

Every way in reads bodies here, so that a value is refused with the same words everywhere. Only two errors leave this
file: `MalformedReport` (not a JSON object at all) and `InvalidInput` (a wrong value, its field named).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from lastseen.errors import InvalidInput, MalformedReport
from lastseen.model import HTTP_SOURCE, Beat, MachineRef, Said
from lastseen.model.texts import NUL, SURROGATE

MAX_BYTES = 64 * 1024
"""The longest body of one report."""

_YEAR = 365 * 86_400.0

_RULES = {
    "timestamp": "must be an RFC 3339 time with an offset, such as 2025-10-10T16:32:00Z",
    "uptime_seconds": "must be a number of seconds, 0 or more",
    "free_memory": "must be a number",
    "status": 'must be "ok", "error", "offline" or "start"',
    "message": "must be a text",
    "next_in": "must be a number of seconds, more than 0 and at most 365 days",
    "metrics": "must be an object of numbers",
    "run": "must be a UUID, the same at the start of a run and at its end",
    "exit_code": "must be a whole number",
    "duration_seconds": "must be a number of seconds, 0 or more",
}
DEEPEST = 100
"""How many objects and arrays may be within one another."""

_DEEP = "is nested too deeply"
_WRONG_MACHINE = "must be a machine's id (a number) or its slug (a text)"
_TOO_LONG = f"must be at most {MAX_BYTES // 1024} KiB long"
_NO_OBJECT = "the body of a heartbeat must be empty or a JSON object"

_SURROGATE_BYTES = re.compile(rb"\xed[\xa0-\xbf]")
_PATH = re.compile(r" - at `\$\.?([^.`\[]*)")
_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"
_MOST_STEPS = 100_000
_LARGEST_ID = 2**63 - 1
_LONGEST_NAME = 200


class Report(msgspec.Struct, frozen=True, gc=False):
    """One report. `body` is the JSON object as text, as it came; None when there was none.

    `said_at` is the machine's own time (aware UTC), for information only. `message` is "" when there is none. `next_in`
    is in how many seconds the machine will be heard next. `run` names a run of a job, in lower case.
    """

    said: Said = Said.ALIVE
    body: str | None = None
    said_at: datetime | None = None
    message: str = ""
    next_in: float | None = None
    run: str | None = None
    exit_code: int | None = None
    duration: float | None = None


class _Fields(msgspec.Struct, gc=False):
    """The fields that mean something. All others are kept in the body."""

    timestamp: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    uptime_seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None
    free_memory: float | None = None
    status: Literal["ok", "error", "offline", "start"] | None = None
    message: str | None = None
    next_in: Annotated[float, msgspec.Meta(gt=0, le=_YEAR)] | None = None
    metrics: dict[str, float] | None = None
    run: Annotated[str, msgspec.Meta(pattern=_UUID)] | None = None
    exit_code: Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)] | None = None
    duration_seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None


class _Bare(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A row that says only which machine is alive."""

    machine: (
        Annotated[int, msgspec.Meta(ge=1, le=_LARGEST_ID)]
        | Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST_NAME)]
    )


_EMPTY = Report()
_SAID = {None: Said.ALIVE, "ok": Said.OK, "error": Said.ERROR, "offline": Said.GOODBYE, "start": Said.START}
_decode = msgspec.json.Decoder().decode
_decode_bare = msgspec.json.Decoder(_Bare).decode


def parse_report(raw: bytes | str | Mapping[str, Any] | None) -> Report:
    """Read one report. Nothing, or only white space, says no more than "alive".

    A mapping is what a program gives instead of JSON; datetimes in it are written as RFC 3339. Raises MalformedReport
    and InvalidInput, and nothing else.
    """
    if not raw:
        if raw is None or isinstance(raw, bytes | str | Mapping):
            return _EMPTY
        raise MalformedReport(_NO_OBJECT)
    if not isinstance(raw, bytes):
        raw = _to_bytes(raw)
    try:
        return _read(raw)[0]
    except MalformedReport:
        if not raw.strip():
            return _EMPTY
        raise


def parse_row(raw: bytes) -> tuple[MachineRef, Report]:
    """Read one report of many: the same fields, and `machine`, an id or a slug (or any name, if machines may be made).

    A row that says no more than who is alive has no body. Raises MalformedReport and InvalidInput, and nothing else.
    """
    if raw.count(b":") == 1 and b"\\" not in raw:  # nearly always: who it is, and no more
        try:
            return _decode_bare(raw).machine, _EMPTY
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass  # the long way says what is wrong with it
    report, tree = _read(raw)
    machine = tree.get("machine")
    if isinstance(machine, bool) or not isinstance(machine, int | str) or machine == "":
        raise InvalidInput(_WRONG_MACHINE, "machine")
    if isinstance(machine, int):
        if not 0 < machine <= _LARGEST_ID:
            raise InvalidInput(_WRONG_MACHINE, "machine")
    elif len(machine) > _LONGEST_NAME:
        raise InvalidInput(f"must be at most {_LONGEST_NAME} characters long", "machine")
    return machine, report if len(tree) > 1 else _EMPTY


def beat_of(machine: MachineRef, at: datetime, report: Report, source: int = HTTP_SOURCE) -> Beat:
    """What goes to the store: heard at `at`, whatever the report itself says."""
    return Beat(
        machine,
        at,
        report.said,
        source,
        report.body,
        report.said_at,
        report.next_in,
        report.run,
        report.exit_code,
    )


def _read(raw: bytes) -> tuple[Report, dict[str, Any]]:
    """A JSON object as a report, and all that it says."""
    if len(raw) > MAX_BYTES:
        raise InvalidInput(_TOO_LONG)
    try:
        tree = _decode(raw)
        fields = msgspec.convert(tree, _Fields)
        text = raw.decode()
    except msgspec.ValidationError as error:
        raise _wrong_value(error, raw) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(error, raw) from None
    except RecursionError:
        raise InvalidInput(_DEEP) from None
    if raw.count(b"{") + raw.count(b"[") > DEEPEST:
        _refuse_deep(tree)
    if b"\\u0000" in raw:
        _refuse_nul(tree)
    said_at = None if fields.timestamp is None else _as_utc(fields.timestamp)
    said, run = _SAID[fields.status], fields.run and fields.run.lower()
    message, ended = fields.message or "", (fields.exit_code, fields.duration_seconds)
    return Report(said, text, said_at, message, fields.next_in, run, *ended), tree


def _refuse_deep(tree: Any) -> None:
    """How deep Python can read depends on its version; what is stored must be readable by whoever reads it later."""
    level = [tree]
    for _ in range(DEEPEST):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise InvalidInput(_DEEP)


def _as_utc(timestamp: datetime) -> datetime:
    try:
        return timestamp.astimezone(UTC)
    except OverflowError:  # the first and last hours of the calendar
        raise InvalidInput(_RULES["timestamp"], "timestamp") from None


def _wrong_value(error: msgspec.ValidationError, raw: bytes) -> InvalidInput:
    found = _PATH.search(str(error))
    field = found[1] if found else ""
    if field in _RULES:
        return InvalidInput(_RULES[field], field)
    if raw.lstrip()[:1] != b"{":
        return MalformedReport(_NO_OBJECT)
    return InvalidInput(f"has a wrong value: {str(error).partition(' - at ')[0]}", field)


def _unreadable(error: Exception, raw: bytes) -> InvalidInput:
    """Not JSON; or JSON with characters that are none, which is a wrong value and not a wrong form."""
    if b"\0" in raw:
        return InvalidInput(NUL, _field_of(raw, "\0"))
    if _SURROGATE_BYTES.search(raw):
        return InvalidInput(SURROGATE, _field_of(raw, None))
    if isinstance(error, UnicodeDecodeError):
        return MalformedReport(f"{_NO_OBJECT} in UTF-8")
    if b"\\u" in raw:
        field = _field_of(raw, None)
        if field or _parses(raw):
            return InvalidInput(SURROGATE, field)
    return MalformedReport(f"{_NO_OBJECT}: {str(error).removeprefix('JSON is malformed: ')}")


def _lenient(raw: bytes) -> Any:
    """The standard library's reading, which lets NUL and surrogates pass; None when it cannot read it either."""
    try:
        return json.loads(raw.decode("utf-8", "surrogatepass"), strict=False)
    except (ValueError, RecursionError):
        return None


def _parses(raw: bytes) -> bool:
    return isinstance(_lenient(raw), dict)


def _field_of(raw: bytes, character: str | None) -> str:
    """The dotted name of the first field that holds the character (None: any surrogate), else ""."""
    for name, value in _walk(_lenient(raw)):
        if isinstance(value, str) and (_has_surrogate(value) if character is None else character in value):
            return _printable(name)
    return ""


def _refuse_nul(tree: Any) -> None:
    for name, value in _walk(tree):
        if isinstance(value, str) and "\0" in value:
            raise InvalidInput(NUL, _printable(name))


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def _printable(name: str) -> str:
    """A field's name goes into answers and logs: what is no character there is left out."""
    return name.replace("\0", "").encode("utf-8", "ignore").decode()


def _walk(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every value with its dotted name, and every name as a value too; without recursion, and not for ever."""
    waiting: list[tuple[str, Any]] = [("", tree)]
    for _ in range(_MOST_STEPS):
        if not waiting:
            return
        name, value = waiting.pop()
        yield name, value
        prefix = f"{name}." if name else ""
        if isinstance(value, Mapping):
            waiting.extend((f"{prefix}{key}", item) for key, item in value.items())
            waiting.extend((f"{prefix}{key}", key) for key in value)
        elif isinstance(value, list | tuple):
            waiting.extend((f"{prefix}{index}", item) for index, item in enumerate(value))


def _to_bytes(raw: Any) -> bytes:
    if isinstance(raw, Mapping):
        raw = _dump(raw)
    if isinstance(raw, bytearray | memoryview):
        return bytes(raw)
    if not isinstance(raw, str):
        raise MalformedReport(f"{_NO_OBJECT}, not {type(raw).__name__}")
    if "\0" in raw:
        raise InvalidInput(NUL)
    try:
        return raw.encode()
    except UnicodeEncodeError:
        raise InvalidInput(SURROGATE, _field_of(raw.encode("utf-8", "surrogatepass"), None)) from None


def _dump(report: Mapping[Any, Any]) -> str:
    try:
        return json.dumps(dict(report), allow_nan=False, ensure_ascii=False, default=_plain)
    except RecursionError:
        raise InvalidInput(_DEEP) from None
    except (TypeError, ValueError) as error:
        for name, value in _walk(report):
            if isinstance(value, float) and not math.isfinite(value):
                raise InvalidInput("must be a finite number", _printable(name)) from None
        raise InvalidInput(f"cannot be written as JSON: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value is of type {type(value).__name__}")
