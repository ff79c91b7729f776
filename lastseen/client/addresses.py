"""What a machine is called in a path."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes import Statuses
from lastseen.errors import Conflict, UnknownMachine

TAKEN = frozenset({"status", ".", ".."})
"""Slugs that have no address of their own: `/machines/status` is of several, and dots mean another place."""


async def address(server: Remote, ref: str) -> str:
    """Raises UnknownMachine; Conflict where its id, which is its address then, is what another machine is called."""
    if ref not in TAKEN:
        return ref
    number = await _id(server, ref)
    if await _id(server, str(number)) != number:
        raise Conflict(f"{ref} has no address, and its id is another machine's name: do it where the server runs")
    return str(number)


async def _id(server: Remote, ref: str) -> int:
    """Raises UnknownMachine."""
    found = await server.get(Statuses, "machines", "status", ids=ref)
    if not found["items"]:
        raise UnknownMachine(ref)
    return found["items"][0]["id"]
