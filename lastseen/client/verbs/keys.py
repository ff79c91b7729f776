"""Keys that programs authenticate with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from lastseen.client.remote import Remote
from lastseen.client.shapes import Key, MadeKey
from lastseen.errors import Forbidden


async def add(
    server: Remote,
    scope: str,
    label: str = "",
    lasting: timedelta | None = None,
    defaults: Mapping[str, Any] | None = None,
    *,
    may: str | None = None,
    user: str | None = None,
) -> MadeKey:
    """With its text this once."""
    said = {"scope": scope, "label": label, "may": may, "user": user, **(defaults or {})}
    expires = {} if lasting is None else {"expires": lasting.total_seconds()}
    body = {name: value for name, value in said.items() if value is not None}
    return await server.post(MadeKey, "keys", body={**body, **expires})


async def listed(server: Remote, *, show: bool = False, machines: bool = True) -> list[Key]:
    """Raises Forbidden for `show`: a server tells nobody the text of a key again."""
    if show:
        raise Forbidden("the text of ping keys is shown only where the database is")
    pages = server.pages(Key, "keys", machines=None if machines else "false")
    return [one async for one in pages]


async def revoke(server: Remote, key: int) -> Key:
    """It is worthless at once."""
    return await server.delete(Key, "keys", str(key))
