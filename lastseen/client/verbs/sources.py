"""Brokers that machines report through."""

from __future__ import annotations

from lastseen.client.remote import Remote
from lastseen.client.shapes import ListedSource, OneSource, RemovedNamed


async def listed(server: Remote) -> list[ListedSource]:
    return await server.all(ListedSource, "sources")


async def show(server: Remote, name: str) -> OneSource:
    return await server.get(OneSource, "sources", name)


async def remove(server: Remote, name: str) -> RemovedNamed:
    return await server.delete(RemovedNamed, "sources", name)
