"""The ping and push addresses of machines: secrets that are shown only here, by the command line.

They are made when a machine is first shown by its name, however it came into being: most of those that a broker or a
fleet key brings never use one, and an address that nobody has seen would be one more secret to keep.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from lastseen.cli.session import settings
from lastseen.errors import SecretsLocked, UnknownMachine

if TYPE_CHECKING:
    from lastseen.model.keys import ShownKey

NONE: Mapping[str, str | None] = {"ping_url": None, "push_url": None}
_PATHS = {"ping": ("ping_url", "/ping/"), "push": ("push_url", "/api/push/")}


def base_url() -> str | None:
    """How the server is reached: LASTSEEN_PUBLIC_URL, or where it listens, or last did. None: nobody knows yet."""
    from lastseen.datadir import database_file, served_at

    chosen = settings()
    if chosen.public_url:
        return str(chosen.public_url)
    file = database_file(chosen.database)
    address = served_at(file) if file is not None else None
    if address is None and chosen.port:
        address = (
            f"http://[{chosen.host}]:{chosen.port}" if ":" in chosen.host else f"http://{chosen.host}:{chosen.port}"
        )
    return None if address is None else _by_name(address)


def _by_name(address: str) -> str:
    """A server that listens on every address is reached by the computer's name."""
    for everywhere in ("//0.0.0.0:", "//[::]:"):
        address = address.replace(everywhere, f"//{socket.gethostname()}:")
    return address


async def new_addresses(monitor: Any, machine: int) -> None:
    """Make new ones; those that it had are worthless at once."""
    try:
        made = await _make(monitor, [(machine, scope) for scope in _PATHS])
    except SecretsLocked as error:
        typer.echo(f"lastseen: no ping and push addresses: {error}", err=True)
        return
    await monitor.store.revoke_addresses(machine, monitor.clock.now(), [key.id for key in made])


async def addresses_of(monitor: Any, machine: int) -> Mapping[str, str | None]:
    """Those of a machine, made now if it has none; null where nobody knows how the server is reached, or they cannot
    be read."""
    return (await addresses(monitor, [machine], make=True)).get(machine, NONE)


async def addresses(
    monitor: Any, machines: Sequence[int], *, make: bool = False
) -> Mapping[int, Mapping[str, str | None]]:
    """As `addresses_of`, of many: nothing is made for a list unless `make`, or the first list of a large fleet would
    write for a minute."""
    base = base_url()
    if base is None or not machines:
        return {}
    try:
        known = list(await monitor.store.shown_keys(machines))
        if make:
            there = {(key.machine_id, key.scope) for key in known}
            known += await _make(monitor, [(m, scope) for m in machines for scope in _PATHS if (m, scope) not in there])
    except SecretsLocked as error:
        typer.echo(f"lastseen: ping and push addresses cannot be read: {error}", err=True)
        return {}
    found: dict[int, dict[str, str]] = {}
    for key in known:
        found.setdefault(key.machine_id, {})[key.scope] = key.text
    return {machine: _urls(texts, base) for machine, texts in found.items()}


async def _make(monitor: Any, wanted: Sequence[tuple[int, str]]) -> list[ShownKey]:
    """New addresses, as keys; none for a machine that is removed meanwhile. Raises SecretsLocked."""
    made = await asyncio.gather(*(_make_one(monitor, machine, scope) for machine, scope in wanted))
    return [key for key in made if key is not None]


async def _make_one(monitor: Any, machine: int, scope: str) -> ShownKey | None:
    from lastseen.ingest.auth import new_key, new_ping_uuid
    from lastseen.model.keys import ShownKey

    key = new_ping_uuid() if scope == "ping" else new_key(scope)
    now = monitor.clock.now()
    try:
        row = await monitor.store.add_key(scope, key.digest, key.hint, now, machine_id=machine, shown=key.text)
    except UnknownMachine:
        return None
    return ShownKey(row.id, scope, machine, key.text)


def _urls(texts: Mapping[str, str], base: str | None) -> Mapping[str, str | None]:
    return {
        name: f"{base}{path}{texts[scope]}" if base and scope in texts else None
        for scope, (name, path) in _PATHS.items()
    }
