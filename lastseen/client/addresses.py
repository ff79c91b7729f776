"""What a machine is called in a path."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes import Statuses
from lastseen.errors import UnknownMachine

TAKEN = frozenset({"status", ".", ".."})
"""Slugs that have no address of their own: `/machines/status` is of several, and dots mean another place."""


async def address(server: Remote, ref: str) -> str:
    """Raises UnknownMachine."""
    if ref not in TAKEN:
        return ref
    found = await server.get(Statuses, "machines", "status", ids=ref)
    if not found["items"]:
        raise UnknownMachine(ref)
    return str(found["items"][0]["id"])
