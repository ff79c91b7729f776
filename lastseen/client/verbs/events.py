"""What happened."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes import Event


async def listed(server: Remote, machine: str | None = None, type_: str | None = None, limit: int = 100) -> list[Event]:
    """Newest first."""
    return [one async for one in server.pages(Event, "events", limit=limit, machine=machine, type=type_)]
