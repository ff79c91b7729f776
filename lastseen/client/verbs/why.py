"""What happened to a machine, who was told, and who was not, and why."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes import Why


async def described(server: Remote, machine: str, at: str | None) -> Why:
    """By slug or id, of a machine that was removed too. `at`: around this time, as the server reads it, in the
    `timezone` of `server`."""
    return await server.get(Why, "machines", machine, "why", at=at, timezone=server.timezone)
