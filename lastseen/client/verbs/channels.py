"""Who is told: listed, switched, removed."""

from __future__ import annotations

from datetime import timedelta

from lastseen.client.remote import Remote
from lastseen.client.shapes import Channel, MadeChannel, RemovedNamed


async def listed(server: Remote) -> list[Channel]:
    return await server.all(Channel, "channels")


async def show(server: Remote, text: str) -> Channel:
    return await server.get(Channel, "channels", text)


async def switch(server: Remote, text: str, enabled: bool, reason: str | None = None) -> Channel:
    """Disabling cancels what waits, enabling also forgets its failures."""
    if enabled:
        return await server.post(Channel, "channels", text, "enable")
    return await server.post(Channel, "channels", text, "disable", body={"reason": reason})


async def remove(server: Remote, text: str) -> RemovedNamed:
    return await server.delete(RemovedNamed, "channels", text)


async def rotate_secret(server: Remote, text: str, keep: timedelta) -> MadeChannel:
    """A webhook's new secret, this once."""
    return await server.post(MadeChannel, "channels", text, "rotate-secret", body={"keep": keep.total_seconds()})
