"""What databases write down differently: times, spans, truths, UUIDs, as SQLite, PostgreSQL, JSON and Go have them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)(\.\d+)?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?(?:\s+\S+)?(?:\s+m=\S+)?"
)
_ISO_SPAN = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_INTERVAL = re.compile(r"(?:(\d+) days?)?\s*(?:(\d+):(\d\d):(\d\d(?:\.\d+)?))?")
_FALSE = (None, "", "0", "f", "false", "False", "no")


def moment(value: Any) -> datetime | None:
    """A time; one without a zone is UTC. None: there is none, or it cannot be read."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    found = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    offset = "+00:00" if zone in (None, "Z", "UTC") else zone
    with contextlib.suppress(ValueError, OverflowError):
        return datetime.fromisoformat(f"{day}T{clock}{(fraction or '')[:7]}{offset}").astimezone(UTC)
    return None


def span(value: Any) -> timedelta | None:
    """A span: microseconds (as Django writes it to SQLite), ISO 8601, or PostgreSQL's interval."""
    with contextlib.suppress(OverflowError):
        return _span(value)
    return None


def _span(value: Any) -> timedelta | None:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return timedelta(microseconds=value)
    text = value.strip() if isinstance(value, str) else ""
    found = _ISO_SPAN.fullmatch(text) or (_INTERVAL.fullmatch(text) if text else None)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def truth(value: Any) -> bool:
    return value not in _FALSE and bool(value)


def uuid_text(value: Any) -> str | None:
    """In its usual form: lower case, with hyphens."""
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(str(value)))
    return None


def number(value: Any, default: int = 0) -> int:
    """A whole number; `default` for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return default


def text(value: Any, longest: int = 2000) -> str:
    """A text without what no database takes; what is too long is cut."""
    clean = "".join(char for char in str(value or "") if char != "\0" and not "\ud800" <= char <= "\udfff")
    return clean.strip()[:longest].strip()


def seconds(value: Any, default: int = 0) -> timedelta:
    """From a whole number, never below none; what is far beyond every limit is cut."""
    return timedelta(seconds=min(max(number(value, default), 0), 10**9))


def document(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for what is none."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def mark_of(program: str, kind: str, *identity: Any) -> str:
    """What something is known by when it comes again. A digest: what identifies it may be a secret."""
    told = json.dumps([program, kind, *identity], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:40]
