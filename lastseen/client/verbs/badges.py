"""Badges: small pictures of how machines are, for other pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lastseen.client.remote import Remote
from lastseen.client.shapes_public import Badge, RemovedBadge


async def add(server: Remote, said: Mapping[str, Any]) -> Badge:
    return await server.post(Badge, "badges", body={name: value for name, value in said.items() if value is not None})


async def listed(server: Remote) -> list[Badge]:
    """By id."""
    return [one async for one in server.pages(Badge, "badges")]


async def remove(server: Remote, badge: int) -> RemovedBadge:
    """Its address shows nothing any more."""
    return await server.delete(RemovedBadge, "badges", str(badge))
