"""What happened to a machine, who was told, and who was not, and why."""

from __future__ import annotations

from lastseen.client.addresses import address
from lastseen.client.remote import Remote
from lastseen.client.shapes import Why
from lastseen.errors import UnknownMachine


async def described(server: Remote, machine: str, at: str | None) -> Why:
    """By slug or id, of a machine that was removed too. `at`: around this time, as the server reads it, in the
    `timezone` of `server`."""
    try:
        ref = await address(server, machine)
    except UnknownMachine:  # that was removed, as far as this knows
        ref = machine
    return await server.get(Why, "machines", ref, "why", at=at, timezone=server.timezone)
