"""Thresholds that machines have in common."""

from __future__ import annotations

from typing import Any

from lastseen.durations import parse_duration, parse_threshold
from lastseen.errors import InvalidInput
from lastseen.manage.office import Office
from lastseen.model import Kind, replace
from lastseen.monitor.snapshot import whole_seconds

KEEP = object()
"""What is not said."""


async def listed(office: Office) -> list[dict[str, Any]]:
    """`offline_after_seconds`: 0 is never, None the default threshold."""
    return [describe(kind) for kind in await office.store.kinds()]


async def put(office: Office, name: str, *, offline_after: Any = KEEP, every: Any = KEEP) -> dict[str, Any]:
    """Make it or change what is said; None takes a value back. Its machines are looked at again at once. Raises
    InvalidInput, Forbidden."""
    office.who.must_be_admin()
    kind = next((known for known in await office.store.kinds() if known.name == name), Kind(name))
    if offline_after is not KEEP:
        kind = replace(kind, offline_after=parse_threshold(offline_after, "offline_after"))
    if every is not KEEP:
        kind = replace(kind, every=None if every is None else parse_duration(every, "every"))
    done = describe(await office.store.set_kind(kind, office.monitor.clock.now()))
    await office.note("kinds.set", f"kind {name}", done)
    return done


async def check(office: Office, name: str | None) -> None:
    """Raises InvalidInput where there is no kind of this name."""
    if name is not None and name not in {known.name for known in await office.store.kinds()}:
        raise InvalidInput(f"there is no kind {name!r}: make it with `lastseen kinds set`", "kind")


def describe(kind: Kind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "offline_after_seconds": None if kind.offline_after is None else whole_seconds(kind.offline_after),
        "every_seconds": None if kind.every is None else whole_seconds(kind.every),
    }
