"""Who was told what, and who was not; telling again."""

from __future__ import annotations

from datetime import datetime

from lastseen.client.remote import Remote
from lastseen.client.shapes import Notification
from lastseen.clock import rfc3339


async def found(
    server: Remote,
    state: str | None = None,
    channel: str | None = None,
    machine: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> list[Notification]:
    """The newest first."""
    asked = {"state": state, "channel": channel, "machine": machine, "since": rfc3339(since)}
    return [one async for one in server.pages(Notification, "notifications", limit=limit, **asked)]


async def replay(server: Remote, ref: str) -> Notification:
    return await server.post(Notification, "notifications", ref, "replay")
