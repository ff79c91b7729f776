"""What is watched: add, change, find, show, pause, remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lastseen.client.addresses import address
from lastseen.client.remote import Remote
from lastseen.client.shapes import Acknowledged, KeyedMachine, Machine, MachineStatus, OneMachine, Removed, Statuses
from lastseen.model import MachineRef


async def add(server: Remote, slug: str, said: Mapping[str, Any], *, if_missing: bool = False) -> KeyedMachine:
    """With its key, this once; None where it is there, and `if_missing`. Raises Conflict, InvalidInput."""
    return await server.post(KeyedMachine, "machines", body={**said, "slug": slug, "if_missing": if_missing})


async def change(server: Remote, ref: str, said: Mapping[str, Any]) -> OneMachine:
    return await server.patch(OneMachine, "machines", await address(server, ref), body=said)


async def listed(
    server: Remote, kind: str | None = None, group: str | None = None, *, urls: bool = True
) -> list[Machine]:
    """All, by id."""
    pages = server.pages(Machine, "machines", kind=kind, group=group, urls="true" if urls else None)
    return sorted([one async for one in pages], key=lambda one: one["id"])


async def show(server: Remote, ref: str) -> OneMachine:
    return await server.get(OneMachine, "machines", await address(server, ref))


async def status(server: Remote, ref: MachineRef) -> MachineStatus:
    return await server.get(MachineStatus, "machines", await address(server, str(ref)), "status")


async def statuses(server: Remote, refs: Sequence[MachineRef]) -> Statuses:
    """Of up to 1,000, and which of these are not known."""
    return await server.get(Statuses, "machines", "status", ids=",".join(map(str, refs)))


async def rotate_key(server: Remote, ref: str) -> KeyedMachine:
    return await server.post(KeyedMachine, "machines", await address(server, ref), "rotate-key")


async def renew_addresses(server: Remote, ref: str) -> OneMachine:
    return await server.post(OneMachine, "machines", await address(server, ref), "new-addresses")


async def order(server: Remote, ref: str, verb: str, **given: Any) -> OneMachine:
    """`pause` (`by_hand` false: a ping may resume it), `resume`, `disable` or `enable`."""
    body = {"until_ping": not given["by_hand"]} if "by_hand" in given else None
    return await server.post(OneMachine, "machines", await address(server, ref), verb, body=body)


async def remove(server: Remote, ref: str) -> Removed:
    return await server.delete(Removed, "machines", await address(server, ref))


async def acknowledge(server: Remote, ref: str, by: str | None = None) -> Acknowledged:
    return await server.post(Acknowledged, "machines", await address(server, ref), "ack", body={"by": by})
