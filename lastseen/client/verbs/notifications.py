"""Who was told what, and who was not; telling again."""

from __future__ import annotations

from datetime import datetime

from lastseen.client.remote import Remote
from lastseen.client.shapes import Notification, ToldAgain
from lastseen.clock import rfc3339

AT_ONCE = 500
"""So many a server tells again for one request."""


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


async def again(
    server: Remote,
    channel: str | None = None,
    machine: str | None = None,
    since: datetime | None = None,
    *,
    most: int = AT_ONCE,
    dry_run: bool = False,
) -> ToldAgain:
    """Tell up to `most` of what was given up again, some at a time; or with `dry_run` only say which."""
    said = {"channel": channel, "machine": machine, "since": rfc3339(since)}
    body = {"state": "dead", "dry_run": dry_run, **{name: one for name, one in said.items() if one is not None}}

    async def some(left: int) -> ToldAgain:
        limit = min(left, AT_ONCE)
        return await server.post(ToldAgain, "notifications", "replay", body={**body, "limit": limit})

    done = whole = await some(most)
    while done["replayed"] and done["left"] and whole["replayed"] < most:
        done = await some(most - whole["replayed"])
        whole["replayed"] += done["replayed"]
        whole["notifications"] += done["notifications"]
        whole["left"] = done["left"]
    return whole


async def replay(server: Remote, ref: str) -> Notification:
    return await server.post(Notification, "notifications", ref, "replay")
