"""The ping and push addresses of machines: secrets, for who may change the machine.

They are made when a machine is first shown by its name, however it came into being: most of those that a broker or a
fleet key brings never use one, and an address that nobody has seen would be one more secret to keep.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from lastseen.errors import SecretsLocked, UnknownMachine
from lastseen.ingest.auth import new_key, new_ping_uuid
from lastseen.manage.office import Office
from lastseen.model import Machine
from lastseen.model.keys import ShownKey

NONE: Mapping[str, str | None] = {"ping_url": None, "push_url": None}
_PATHS = {"ping": ("ping_url", "/ping/"), "push": ("push_url", "/api/push/")}


async def new_addresses(office: Office, machine: Machine) -> None:
    """Make new ones; those that it had are worthless at once."""
    try:
        made = await _make(office, [(machine.id, scope) for scope in _PATHS])
    except SecretsLocked as error:
        office.warn(f"no ping and push addresses: {error}")
        return
    revoking = office.store.revoke_addresses(machine.id, office.monitor.clock.now(), [key.id for key in made])
    await office.do(revoking, "machines.new-addresses", f"machine {machine.slug}")


async def addresses_of(office: Office, machine: int) -> Mapping[str, str | None]:
    """Those of a machine, made now if it has none; null where nobody knows how the server is reached, or they cannot
    be read."""
    return (await addresses(office, [machine], make=True)).get(machine, NONE)


async def addresses(
    office: Office, machines: Sequence[int], *, make: bool = False
) -> Mapping[int, Mapping[str, str | None]]:
    """As `addresses_of`, of many: nothing is made for a list unless `make`, or the first list of a large fleet would
    write for a minute."""
    base = office.base_url()
    if base is None or not machines:
        return {}
    try:
        known = list(await office.store.shown_keys(machines))
        if make:
            there = {(key.machine_id, key.scope) for key in known}
            known += await _make(office, [(m, scope) for m in machines for scope in _PATHS if (m, scope) not in there])
    except SecretsLocked as error:
        office.warn(f"ping and push addresses cannot be read: {error}")
        return {}
    found: dict[int, dict[str, str]] = {}
    for key in known:
        if key.machine_id is not None:
            found.setdefault(key.machine_id, {})[key.scope] = key.text
    return {machine: _urls(texts, base) for machine, texts in found.items()}


async def _make(office: Office, wanted: Sequence[tuple[int, str]]) -> list[ShownKey]:
    """New addresses, as keys; none for a machine that is removed meanwhile. Raises SecretsLocked."""
    made = await asyncio.gather(*(_make_one(office, machine, scope) for machine, scope in wanted))
    return [key for key in made if key is not None]


async def _make_one(office: Office, machine: int, scope: str) -> ShownKey | None:
    key = new_ping_uuid() if scope == "ping" else new_key(scope)
    now = office.monitor.clock.now()
    try:
        row = await office.store.add_key(scope, key.digest, key.hint, now, machine_id=machine, shown=key.text)
    except UnknownMachine:
        return None
    return ShownKey(row.id, scope, machine, key.text)


def _urls(texts: Mapping[str, str], base: str) -> Mapping[str, str | None]:
    return {name: f"{base}{path}{texts[scope]}" if scope in texts else None for scope, (name, path) in _PATHS.items()}
