"""Thresholds that machines have in common."""

from __future__ import annotations

from typing import Any

from lastseen.durations import parse_duration, parse_threshold
from lastseen.errors import Conflict, InvalidInput, NotFound
from lastseen.faults import Faults
from lastseen.manage.office import Office
from lastseen.model import Kind, replace
from lastseen.model.directory import Sought
from lastseen.monitor.snapshot import whole_seconds
from lastseen.words import say

KEEP = object()
"""What is not said."""

LONGEST = 100
"""Characters of a name."""

SOME = 20
"""Machines that are named."""


async def listed(office: Office) -> list[dict[str, Any]]:
    """`offline_after_seconds`: 0 is never, None the default threshold."""
    return [describe(kind) for kind in await office.store.kinds()]


async def put(office: Office, name: str, *, offline_after: Any = KEEP, every: Any = KEEP) -> dict[str, Any]:
    """Make it or change what is said; None takes a value back. Its machines are looked at again at once. Raises
    InvalidInput, Forbidden."""
    return await _set(office, name, offline_after, every, new=False)


async def add(office: Office, name: str, *, offline_after: Any = KEEP, every: Any = KEEP) -> dict[str, Any]:
    """As `put`, but there may be none of this name yet."""
    return await _set(office, name, offline_after, every, new=True)


async def _set(office: Office, name: str, offline_after: Any, every: Any, *, new: bool) -> dict[str, Any]:
    office.who.must_be_admin()
    known = next((one for one in await office.store.kinds() if one.name == name), None)
    said = _checked(name, offline_after, every, taken=new and known is not None)
    kind = replace(known or Kind(name), **said)
    setting = office.store.set_kind(kind, office.monitor.clock.now())
    return describe(await office.do(setting, "kinds.set", f"kind {name}", describe))


def _checked(name: str, offline_after: Any, every: Any, *, taken: bool) -> dict[str, Any]:
    """What is said, by field of Kind. Raises InvalidInput of all that is wrong."""
    said: dict[str, Any] = {}
    faults = Faults()
    if not name.strip() or len(name) > LONGEST:
        faults.note(InvalidInput(say("must have 1 to {longest} characters", longest=LONGEST), "name"))
    if taken:
        faults.note(InvalidInput(say("there is a kind {name!r} already", name=name), "name"))
    if offline_after is not KEEP:
        with faults.noted():
            said["offline_after"] = parse_threshold(offline_after, "offline_after")
    if every is not KEEP:
        with faults.noted():
            said["every"] = None if every is None else parse_duration(every, "every")
    faults.tell()
    return said


async def remove(office: Office, name: str) -> dict[str, Any]:
    """Raises NotFound, Forbidden, Conflict: it is in use."""
    office.who.must_be_admin()
    users = await used_by(office, name)
    for source in users["sources"]:
        raise Conflict(
            say(
                "the source {source} adds machines of the kind {name!r}: let it add others first",
                source=source,
                name=name,
            )
        )
    for key in users["keys"]:
        raise Conflict(
            say("the key {key} adds machines of the kind {name!r}: let it add others first", key=key, name=name)
        )
    await office.do(office.store.remove_kind(name), "kinds.remove", f"kind {name}")
    return {"name": name, "removed": True}


async def used_by(office: Office, name: str) -> dict[str, Any]:
    """`machines`: how many are of it; `some`: the first of them; `sources` and `keys`: those that add such. Raises
    NotFound, Forbidden."""
    office.who.must_be_admin()
    if name not in {known.name for known in await office.store.kinds()}:
        raise NotFound(say("there is no kind {name!r}", name=name))
    sought = Sought(kinds=(name,), limit=SOME)
    keys = [one for one in await office.store.keys(machines=False) if one.revoked_at is None]
    return {
        "machines": await machines(office, name),
        "some": [one.machine.slug for one in await office.store.seek(sought)],
        "sources": [row.name for row in await office.store.sources() if row.config.get("kind") == name],
        "keys": [f"{one.hint} {one.label}".strip() for one in keys if one.defaults.get("kind") == name],
    }


async def machines(office: Office, name: str) -> int:
    """How many who asks may see are of it."""
    found = await office.store.census(Sought(kinds=(name,), seen_by=office.who.seen_by))
    return sum(one.machines for one in found)


async def check(office: Office, name: str | None) -> None:
    """Raises InvalidInput where there is no kind of this name."""
    if name is not None and name not in {known.name for known in await office.store.kinds()}:
        raise InvalidInput(say("there is no kind {name!r}: make it with `lastseen kinds set`", name=name), "kind")


def describe(kind: Kind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "offline_after_seconds": None if kind.offline_after is None else whole_seconds(kind.offline_after),
        "every_seconds": None if kind.every is None else whole_seconds(kind.every),
    }
