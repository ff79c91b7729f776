"""Who is told: listed, switched, removed, and what each wishes to hear. Making one is in `channel_setup`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec

from lastseen.client.remote import Remote
from lastseen.client.shapes import Channel, MadeChannel, RemovedNamed
from lastseen.model import Preferences, preferences_from

KEEP = "\0keep"
"""A fallback that is not said."""


async def listed(server: Remote) -> list[Channel]:
    return await server.all(Channel, "channels")


async def show(server: Remote, text: str) -> Channel:
    return await server.get(Channel, "channels", text)


async def switch(server: Remote, text: str, enabled: bool, reason: str | None = None) -> Channel:
    """Disabling cancels what waits, enabling also forgets its failures."""
    if enabled:
        return await server.post(Channel, "channels", text, "enable")
    return await server.post(Channel, "channels", text, "disable", body={"reason": reason})


async def rename(server: Remote, text: str, name: str) -> Channel:
    return await server.patch(Channel, "channels", text, body={"name": name})


async def give(server: Remote, text: str, owner: str | None) -> Channel:
    """To this user; None: to everybody."""
    return await server.patch(Channel, "channels", text, body={"owner": owner})


async def remove(server: Remote, text: str) -> RemovedNamed:
    return await server.delete(RemovedNamed, "channels", text)


async def wish(
    server: Remote, text: str, change: Callable[[Preferences], Preferences], fallback: str | None = KEEP
) -> Channel:
    """What it wishes from now on, from what it wished; `fallback`: another channel, None: no other."""
    before = await show(server, text)
    wished = preferences_from(before["wishes"])
    old, new = (msgspec.to_builtins(one) for one in (wished, change(wished)))
    said = {name: new.get(name) for name in Preferences.__struct_fields__ if new.get(name) != old.get(name)}
    body = {"wishes": said, **({} if fallback == KEEP else {"fallback": fallback})}
    return await server.patch(Channel, "channels", str(before["id"]), body=body)


async def rotate_secret(server: Remote, text: str, keep: timedelta) -> MadeChannel:
    """A webhook's new secret, this once."""
    return await server.post(MadeChannel, "channels", text, "rotate-secret", body={"keep": keep.total_seconds()})
