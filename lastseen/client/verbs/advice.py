"""Which limit would fit a machine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lastseen.client.addresses import address
from lastseen.client.remote import Remote

BACK = timedelta(days=30)


async def of_one(
    server: Remote,
    ref: str,
    *,
    window: timedelta = BACK,
    brief_under: timedelta | None = None,
    limit: timedelta | None = None,
) -> dict[str, Any]:
    """What was counted of it, its false alarms, and the limit that is proposed."""
    given = {"window": window, "false_alarms_under": brief_under, "limit": limit}
    said = {name: None if span is None else str(span.total_seconds()) for name, span in given.items()}
    path = "machines", await address(server, ref), "advice"
    return await server.get(dict[str, Any], *path, timezone=server.timezone, **said)


async def listen(server: Remote, ref: str, span: timedelta) -> dict[str, Any]:
    """Count its intervals from some minutes on for so long."""
    body = {"lasting": str(span.total_seconds())}
    return await server.post(dict[str, Any], "machines", await address(server, ref), "listen", body=body)
