"""Making channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lastseen.client.remote import Remote
from lastseen.client.shapes import MadeChannel
from lastseen.errors import InvalidInput


async def add(
    server: Remote, type_: str, name: str, values: Mapping[str, Any], *, shared: bool | None = None
) -> MadeChannel:
    """With `secret` where one was made. `values`: of its Config, by field, secrets among them. What the server's
    settings say for its type need not be said."""
    body = {"type": type_, "name": name, "config": values, **({} if shared is None else {"shared": shared})}
    try:
        return await server.post(MadeChannel, "channels", body=body)
    except InvalidInput as error:
        raise error.called(lambda field: field.removeprefix("config").removeprefix(".")) from None
