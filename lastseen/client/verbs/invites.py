"""Links, each good once, by which a Telegram chat or group becomes a channel."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lastseen.client.remote import Remote
from lastseen.client.shapes import Invite, Used

LASTS = timedelta(hours=24)


async def invite(
    server: Remote,
    name: str,
    wishes: Mapping[str, Any],
    lasting: timedelta = LASTS,
    token: str = "",
    *,
    shared: bool | None = None,
) -> Invite:
    """By a bot that the server knows, or the bot of this token. `wishes`: `thread_id`, `silent`."""
    more = {**({"token": token} if token else {}), **({} if shared is None else {"shared": shared})}
    body = {"name": name, "lasting": lasting.total_seconds(), **wishes, **more}
    return await server.post(Invite, "channels", "invites", body=body)


async def state(server: Remote, number: int) -> Used:
    """Whether it was used, and by whose chat."""
    return await server.get(Used, "channels", "invites", str(number))
