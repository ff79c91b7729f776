"""Thresholds that machines have in common."""

from __future__ import annotations

from typing import Any

from lastseen.client.remote import Remote
from lastseen.client.shapes import Kind, RemovedKind


async def listed(server: Remote) -> list[Kind]:
    return await server.all(Kind, "kinds")


async def put(server: Remote, name: str, **said: Any) -> Kind:
    """`offline_after` and `every`; None takes a value back."""
    return await server.put(Kind, "kinds", name, body=said)


async def remove(server: Remote, name: str) -> RemovedKind:
    return await server.delete(RemovedKind, "kinds", name)
