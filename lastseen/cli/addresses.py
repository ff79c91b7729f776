"""The ping and push addresses of machines: secrets that are shown only here, by the command line."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from lastseen.cli.session import settings
from lastseen.errors import SecretsLocked

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


async def new_addresses(monitor: Any, machine: int) -> Mapping[str, str | None]:
    """Make new ones; those that it had are worthless at once."""
    from lastseen.ingest.auth import new_key, new_ping_uuid

    store, now = monitor.store, monitor.clock.now()
    keys = {"ping": new_ping_uuid(), "push": new_key("push")}
    try:
        made = await asyncio.gather(
            *(
                store.add_key(scope, key.digest, key.hint, now, machine_id=machine, shown=key.text)
                for scope, key in keys.items()
            )
        )
    except SecretsLocked as error:
        typer.echo(f"lastseen: no ping and push addresses: {error}", err=True)
        return NONE
    await store.revoke_addresses(machine, now, [key.id for key in made])
    return _urls({scope: key.text for scope, key in keys.items()}, base_url())


async def addresses(monitor: Any, machines: Sequence[int]) -> Mapping[int, Mapping[str, str | None]]:
    """Those of these machines; null where there are none, or where nobody knows how the server is reached."""
    base = base_url()
    if base is None or not machines:
        return {}
    try:
        texts = await monitor.store.shown_keys(machines)
    except SecretsLocked as error:
        typer.echo(f"lastseen: ping and push addresses cannot be read: {error}", err=True)
        return {}
    found: dict[int, dict[str, str]] = {}
    for key in texts:
        found.setdefault(key.machine_id, {})[key.scope] = key.text
    return {machine: _urls(known, base) for machine, known in found.items()}


def _urls(texts: Mapping[str, str], base: str | None) -> Mapping[str, str | None]:
    return {
        name: f"{base}{path}{texts[scope]}" if base and scope in texts else None
        for scope, (name, path) in _PATHS.items()
    }
