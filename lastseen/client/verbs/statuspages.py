"""Status pages that everybody may look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lastseen.client.remote import Remote
from lastseen.client.shapes_public import RemovedPage, StatusPage


async def add(server: Remote, slug: str, said: Mapping[str, Any]) -> StatusPage:
    return await server.post(StatusPage, "status-pages", body={**said, "slug": slug})


async def change(server: Remote, slug: str, said: Mapping[str, Any]) -> StatusPage:
    """What is not named stays."""
    return await server.patch(StatusPage, "status-pages", slug, body=said)


async def listed(server: Remote) -> list[StatusPage]:
    """By slug."""
    return [one async for one in server.pages(StatusPage, "status-pages")]


async def show(server: Remote, slug: str) -> StatusPage:
    return await server.get(StatusPage, "status-pages", slug)


async def remove(server: Remote, slug: str) -> RemovedPage:
    return await server.delete(RemovedPage, "status-pages", slug)
