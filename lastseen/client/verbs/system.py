"""How the server itself fares, for who looks after it."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes import Node, System


async def health(server: Remote) -> System:
    return await server.get(System, "system")


async def nodes(server: Remote) -> list[Node]:
    """The processes that watch on its database."""
    return await server.all(Node, "nodes")
