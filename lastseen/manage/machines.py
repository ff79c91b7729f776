"""What is watched: add, change, show, pause, remove."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lastseen.clock import rfc3339
from lastseen.errors import Conflict, InvalidInput, UnknownMachine
from lastseen.ingest.auth import new_key
from lastseen.manage import jobs
from lastseen.manage.addresses import NONE, addresses, addresses_of, new_addresses
from lastseen.manage.office import Office
from lastseen.model import Standing

LARGEST_ID = 2**63 - 1
PAGE = 1000
ORDERS = frozenset({"pause", "resume", "disable", "enable"})


def id_in(text: str) -> int | None:
    """The id that a person wrote, if it can be one."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(LARGEST_ID)):
        return None
    return int(text) if int(text) <= LARGEST_ID else None


async def find(office: Office, text: str) -> Standing:
    """A machine by slug, or by id where no slug is written like that. Raises UnknownMachine."""
    found: Mapping[Any, Standing] = await office.store.liveness([text])
    number = id_in(text)
    if text not in found and number is not None:
        found = await office.store.liveness([number])
    if not found:
        raise UnknownMachine(text)
    return next(iter(found.values()))


async def add(office: Office, slug: str, said: Mapping[str, Any], *, if_missing: bool = False) -> dict[str, Any]:
    """With its key, this once: `{id, slug, name, key, ping_url, push_url}`. `said`: by field of Machine, as `watch`
    takes them. Raises Conflict where it is there, unless `if_missing`: then there is no key in it."""
    try:
        await office.monitor.watch(slug, expect="new", **jobs.with_zone(office, said))
    except Conflict:
        known = await office.store.liveness([slug])
        if not if_missing or slug not in known:
            raise
        return _keyed(known[slug], None, await addresses_of(office, known[slug].machine.id))
    known = await office.store.liveness([slug])
    return await _with_key(office, known[slug], replaces=False)


async def change(office: Office, ref: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is not named stays. As it is then."""
    standing = await find(office, ref)
    await office.monitor.watch(standing.machine.id, expect="known", **jobs.with_zone(office, said, standing.machine))
    return await show(office, str(standing.machine.id))


async def listed(office: Office, kind: str | None = None, group: str | None = None, *, urls: bool = True) -> list[Any]:
    """All, by id, as `describe` says."""
    found: list[dict[str, Any]] = []
    while page := await office.store.machines(found[-1]["id"] if found else 0, PAGE, kind, group):
        now = office.monitor.clock.now()
        await office.monitor.name_sources(page)
        known = await addresses(office, [standing.machine.id for standing in page] if urls else [])
        found += [describe(office, standing, now, known) for standing in page]
    return found


async def show(office: Office, ref: str) -> dict[str, Any]:
    """One, with its next times and last runs."""
    standing = await find(office, ref)
    await office.monitor.name_sources([standing])
    urls = {standing.machine.id: await addresses_of(office, standing.machine.id)}
    now = office.monitor.clock.now()
    return {**describe(office, standing, now, urls), **await jobs.details(office, standing.machine, now)}


def describe(
    office: Office, standing: Standing, now: datetime, urls: Mapping[int, Mapping[str, str | None]]
) -> dict[str, Any]:
    """The status object, and what people wrote of it."""
    machine, status = standing.machine, office.monitor.described(standing, now)
    return {
        **status.as_dict(),
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


async def rotate_key(office: Office, ref: str) -> dict[str, Any]:
    """A new key, as `add` shows it. The old one stays valid until the new one is first used, at most 7 days."""
    return await _with_key(office, await find(office, ref), replaces=True)


async def renew_addresses(office: Office, ref: str) -> dict[str, Any]:
    """New ping and push addresses; the old ones are worthless at once."""
    standing = await find(office, ref)
    await new_addresses(office, standing.machine.id)
    return await show(office, str(standing.machine.id))


async def order(office: Office, ref: str, verb: str, **given: Any) -> dict[str, Any]:
    """One of ORDERS. As it is then."""
    if verb not in ORDERS:
        raise ValueError(f"no order is called {verb}")
    standing = await find(office, ref)
    await getattr(office.monitor, verb)(standing.machine.id, **given)
    return await show(office, str(standing.machine.id))


async def remove(office: Office, ref: str) -> dict[str, Any]:
    """Its history stays."""
    standing = await find(office, ref)
    await office.monitor.forget(standing.machine.id)
    return {"id": standing.machine.id, "slug": standing.machine.slug, "removed": True}


async def acknowledge(office: Office, ref: str, by: str) -> dict[str, Any]:
    """Somebody has seen that it is offline or in error. Raises InvalidInput where it is neither."""
    standing = await find(office, ref)
    if standing.liveness.incident is None:
        raise InvalidInput("is neither offline nor in error", standing.machine.slug)
    await office.monitor.acknowledge(standing.machine.id, by)
    return {"id": standing.machine.id, "slug": standing.machine.slug, "acknowledged_by": by}


async def _with_key(office: Office, standing: Standing, replaces: bool) -> dict[str, Any]:
    key, machine = new_key("machine"), standing.machine
    now = office.monitor.clock.now()
    await office.store.add_key("machine", key.digest, key.hint, now, machine_id=machine.id, replaces=replaces)
    return _keyed(standing, key.text, await addresses_of(office, machine.id))


def _keyed(standing: Standing, key: str | None, urls: Mapping[str, str | None]) -> dict[str, Any]:
    machine = standing.machine
    return {"id": machine.id, "slug": machine.slug, "name": machine.name, "key": key, **urls}
