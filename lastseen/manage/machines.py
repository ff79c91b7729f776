"""What is watched: add, change, find, show, pause, remove."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from lastseen.clock import rfc3339
from lastseen.errors import Conflict, UnknownMachine
from lastseen.faults import Faults
from lastseen.ingest.auth import NewKey, new_key
from lastseen.manage import jobs, kinds, owners
from lastseen.manage.addresses import NONE, addresses, addresses_of, new_addresses
from lastseen.manage.cursors import cursor_of, page_of, place_in
from lastseen.manage.office import Office
from lastseen.model import KNOWN_SLUG, Machine, MachineRef, Standing
from lastseen.model.directory import Sought, place_of
from lastseen.model.names import NO_GROUP, check_slug
from lastseen.monitor.changes import checked
from lastseen.monitor.deadline import interval
from lastseen.monitor.snapshot import whole_seconds
from lastseen.protocols import Glances
from lastseen.words import say

LARGEST_ID = 2**63 - 1
PAGE = 1000
ORDERS = frozenset({"pause", "resume", "disable", "enable"})

UNSAID: Final[Mapping[str, Any]] = {
    "name": None,
    "hostname": "",
    "description": "",
    "kind": "default",
    "group": NO_GROUP,
    "tags": (),
}
"""What holds where nobody said anything, of fields that every machine has; its name is its slug then."""


def id_in(text: str) -> int | None:
    """The id that a person wrote, if it can be one."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(LARGEST_ID)):
        return None
    return int(text) if int(text) <= LARGEST_ID else None


def _meant(ref: MachineRef) -> list[MachineRef]:
    """What it may name, the likelier first."""
    if isinstance(ref, int):
        return [ref]
    slug = [ref] if KNOWN_SLUG.fullmatch(ref) else []
    return [*slug, *filter(None, [id_in(ref)])]


async def find(office: Office, ref: MachineRef) -> Standing:
    """A machine by id; a text is a slug, or an id where who asks sees no slug that is written like that. Raises
    UnknownMachine, also where there is one that is not for who asks to see."""
    for one in _meant(ref):
        standing = (await office.store.liveness([one])).get(one)
        if standing is not None and office.who.sees(standing.machine.owner):
            found: Standing = standing
            return found
    raise UnknownMachine(ref)


async def find_to_edit(office: Office, text: str) -> Standing:
    """The same, for who may change it. Raises Forbidden too."""
    standing = await find(office, text)
    office.who.must_edit(standing.machine.owner)
    return standing


async def add(office: Office, slug: str, said: Mapping[str, Any], *, if_missing: bool = False) -> dict[str, Any]:
    """With its key, this once: `{id, slug, name, key, ping_url, push_url}`. `said`: by field of Machine, as `watch`
    takes them, with `owner` as a name, or `shared`. Raises Conflict where it is there, unless `if_missing`: then there
    is no key in it."""
    office.who.must_edit()
    faults = Faults()
    with faults.noted():
        check_slug(slug)
    wanted = await _wanted(office, said, lambda named: owners.of_new(office, named), faults)
    try:
        making = office.monitor.watch(slug, expect="new", **jobs.with_zone(office, wanted))
        await office.do(making, "machines.add", f"machine {slug}", said)
    except Conflict:
        known = await office.store.liveness([slug])
        if not if_missing or slug not in known or not office.who.edits(known[slug].machine.owner):
            raise
        return _keyed(known[slug], None, await addresses_of(office, known[slug].machine.id))
    known = await office.store.liveness([slug])
    key = new_key("machine")
    await _keep_key(office, known[slug].machine.id, key, replaces=False)
    return _keyed(known[slug], key.text, await addresses_of(office, known[slug].machine.id))


async def change(office: Office, ref: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is not named stays: of two who change different fields at once, both are heard, and of two who change the
    same, the later. As it is then."""
    standing = await find_to_edit(office, ref)
    machine = standing.machine
    wanted = await _wanted(
        office, said, lambda named: owners.of_changed(office, named, machine.owner), Faults(), machine
    )
    changing = office.monitor.watch(machine.id, expect="known", **jobs.with_zone(office, wanted, machine))
    await office.do(changing, "machines.change", f"machine {machine.slug}", said)
    return await show(office, machine.id)


async def listed(office: Office, kind: str | None = None, group: str | None = None, *, urls: bool = True) -> list[Any]:
    """All, by id, as `describe` says."""
    found: list[dict[str, Any]] = []
    known = await owners.names(office)
    after = 0
    while page := await office.store.machines(after, PAGE, kind, group):
        after = page[-1].machine.id
        found += await _described(office, [one for one in page if office.who.sees(one.machine.owner)], known, urls)
    return found


async def _wanted(
    office: Office,
    said: Mapping[str, Any],
    with_owner: Callable[[Mapping[str, Any]], dict[str, Any]],
    faults: Faults,
    machine: Machine | None = None,
) -> dict[str, Any]:
    """As `watch` takes it. Raises InvalidInput of all that is wrong, with what `faults` has already, and Forbidden."""
    meant = _said(said, machine)
    wanted = {name: value for name, value in meant.items() if name not in ("owner", "shared")}
    with faults.noted():
        wanted = with_owner(await owners.named(office, meant))
    with faults.noted():
        checked(wanted)
    if isinstance(wanted.get("kind"), str):
        with faults.noted():
            await kinds.check(office, wanted["kind"])
    with faults.noted():  # a schedule that will not come is found here
        jobs.with_zone(office, {name: wanted[name] for name in ("schedule", "timezone") if name in wanted}, machine)
    faults.tell()
    return wanted


def _said(said: Mapping[str, Any], machine: Machine | None) -> dict[str, Any]:
    """With null as what holds where nobody said anything; of a new machine that need not be said."""
    if machine is None:
        return {name: value for name, value in said.items() if value is not None or name not in UNSAID}
    unsaid = {**UNSAID, "name": machine.slug}
    return {name: unsaid.get(name) if value is None else value for name, value in said.items()}


async def page(office: Office, sought: Sought, cursor: str | None = None, *, urls: bool = False) -> dict[str, Any]:
    """`{"items": […], "next": …}`: those that fit, as `describe` says, and from where the list goes on, None at its
    end. Raises InvalidInput."""
    after = place_in(cursor, sought.sort, sought.descending)
    asked = replace(sought, after=after, limit=sought.limit + 1, seen_by=office.who.seen_by)
    found = page_of(
        await office.store.seek(asked),
        sought.limit,
        lambda last: cursor_of(sought.sort, sought.descending, place_of(last, sought.sort)),
    )
    return {**found, "items": await _described(office, found["items"], await owners.names(office), urls)}


async def _described(
    office: Office, some: Sequence[Standing], known: Mapping[int, str], urls: bool
) -> list[dict[str, Any]]:
    now = office.monitor.clock.now()
    await office.monitor.name_sources(some)
    theirs = [one.machine.id for one in some if office.who.edits(one.machine.owner)] if urls else []
    shown = await addresses(office, theirs)
    return [{**describe(office, one, now, shown), **owners.described(one.machine.owner, known)} for one in some]


async def show(office: Office, ref: MachineRef) -> dict[str, Any]:
    """One, with its next times and last runs; with its addresses for who may change it."""
    standing = await find(office, ref)
    machine = standing.machine
    await office.monitor.name_sources([standing])
    urls = {machine.id: await addresses_of(office, machine.id)} if office.who.edits(machine.owner) else {}
    now = office.monitor.clock.now()
    return {
        **describe(office, standing, now, urls),
        **owners.described(machine.owner, await owners.names(office)),
        **await jobs.details(office, machine, now),
    }


def describe(
    office: Office, standing: Standing, now: datetime, urls: Mapping[int, Mapping[str, str | None]]
) -> dict[str, Any]:
    """The status object, and what people wrote of it."""
    machine, status = standing.machine, office.monitor.described(standing, now)
    every = interval(machine, standing.kind)
    return {
        **status.as_dict(),
        "every_seconds": None if every is None else whole_seconds(every),
        "acknowledged_by": status.acknowledged_by,
        "acknowledged_at": rfc3339(status.acknowledged_at),
        "hostname": machine.hostname,
        "description": machine.description,
        "kind": machine.kind,
        "tags": list(machine.tags),
        "enabled": machine.enabled,
        **jobs.described(machine),
        **urls.get(machine.id, NONE),
    }


async def statuses(office: Office, refs: Sequence[MachineRef]) -> dict[str, Any]:
    """`{"items": […], "unknown": […]}`: the status objects of those that there are, in the order asked for, each once;
    digits are tried as a slug, then as an id."""
    meant = {ref: _meant(ref) for ref in refs}
    known = await standings(office, [one for each in meant.values() for one in each])
    found: dict[int, Standing] = {}
    unknown: list[MachineRef] = []
    for ref, names in meant.items():
        there = (known[name] for name in names if name in known)
        standing = next((one for one in there if office.who.sees(one.machine.owner)), None)
        if standing is None:
            unknown.append(ref)
        else:
            found[standing.machine.id] = standing
    await office.monitor.name_sources(found.values())
    now = office.monitor.clock.now()
    return {"items": [office.monitor.described(one, now).as_dict() for one in found.values()], "unknown": unknown}


async def status(office: Office, ref: MachineRef) -> dict[str, Any]:
    """The status object of one. Raises UnknownMachine."""
    found = await statuses(office, [ref])
    if not found["items"]:
        raise UnknownMachine(ref)
    one: dict[str, Any] = found["items"][0]
    return one


async def standings(office: Office, refs: Sequence[MachineRef]) -> Mapping[MachineRef, Standing]:
    """From the copy, where there is one beside the store."""
    if isinstance(office.store, Glances):
        return await office.store.glance(refs, office.monitor.clock.now())
    known: Mapping[MachineRef, Standing] = await office.store.liveness(refs)
    return known


async def rotate_key(office: Office, ref: str) -> dict[str, Any]:
    """A new key, as `add` shows it. The old one stays valid until the new one is first used, at most 7 days."""
    standing = await find_to_edit(office, ref)
    machine, key = standing.machine, new_key("machine")
    making = _keep_key(office, machine.id, key, replaces=True)
    await office.do(making, "machines.rotate-key", f"machine {machine.slug}")
    return _keyed(standing, key.text, await addresses_of(office, machine.id))


async def renew_addresses(office: Office, ref: str) -> dict[str, Any]:
    """New ping and push addresses; the old ones are worthless at once."""
    machine = (await find_to_edit(office, ref)).machine
    await new_addresses(office, machine)
    return await show(office, machine.id)


async def order(office: Office, /, ref: str, verb: str, **given: Any) -> dict[str, Any]:
    """One of ORDERS. As it is then. Raises Conflict where it is disabled and is to be paused or resumed: neither would
    hold, and whoever asked would go by it."""
    if verb not in ORDERS:
        raise ValueError(f"no order is called {verb}")
    machine = (await find_to_edit(office, ref)).machine
    if not machine.enabled and verb in ("pause", "resume"):
        raise Conflict(say("{slug}: is disabled: enable it, then {verb} it", slug=machine.slug, verb=verb))
    ordering = getattr(office.monitor, verb)(machine.id, **given)
    await office.do(ordering, f"machines.{verb}", f"machine {machine.slug}", given)
    return await show(office, machine.id)


async def remove(office: Office, ref: str) -> dict[str, Any]:
    """Its history stays."""
    machine = (await find_to_edit(office, ref)).machine
    await office.do(office.monitor.forget(machine.id), "machines.remove", f"machine {machine.slug}")
    return {"id": machine.id, "slug": machine.slug, "removed": True}


async def acknowledge(office: Office, ref: str, by: str | None = None) -> dict[str, Any]:
    """Somebody has seen that it is offline or in error: who asks, or `by`, where no person does. Raises Conflict where
    it is neither."""
    standing = await find_to_edit(office, ref)
    machine = standing.machine
    if standing.liveness.incident is None:
        raise Conflict(say("{slug}: is neither offline nor in error", slug=machine.slug))
    name = office.who.name if by is None or office.who.is_person else by
    seeing = office.monitor.acknowledge(machine.id, name)
    await office.do(seeing, "machines.ack", f"machine {machine.slug}", {"by": name})
    return {"id": machine.id, "slug": machine.slug, "acknowledged_by": name}


async def _keep_key(office: Office, machine: int, key: NewKey, replaces: bool) -> None:
    now = office.monitor.clock.now()
    await office.store.add_key("machine", key.digest, key.hint, now, machine_id=machine, replaces=replaces)


def _keyed(standing: Standing, key: str | None, urls: Mapping[str, str | None]) -> dict[str, Any]:
    machine: Machine = standing.machine
    return {"id": machine.id, "slug": machine.slug, "name": machine.name, "key": key, **urls}
