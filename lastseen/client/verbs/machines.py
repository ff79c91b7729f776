"""What is watched: add, change, find, show, pause, remove.

`ref`: a slug or an id, as a path of the API has it: digits are tried as a slug first. No int is taken: it would promise
the machine with that id, and where another one has these digits for its slug the API answers with that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from lastseen.client.addresses import address
from lastseen.client.remote import Remote
from lastseen.client.shapes import Acknowledged, KeyedMachine, Machine, MachineStatus, OneMachine, Removed, Statuses

MOST: Final = 1000
"""Machines that a server tells the status of at once."""

LONGEST: Final = 8000
"""Characters of an address that every server and proxy takes; a slug may have 200."""


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


async def status(server: Remote, ref: str) -> MachineStatus:
    return await server.get(MachineStatus, "machines", await address(server, ref), "status")


async def statuses(server: Remote, refs: Sequence[str]) -> Statuses:
    """Each once, in the order asked for, and which of these are not known. Many are asked for in several requests."""
    found: dict[int, MachineStatus] = {}
    unknown: list[str] = []
    for some in _pieces(refs):
        answer = await server.get(Statuses, "machines", "status", ids=",".join(some))
        found |= {one["id"]: one for one in answer["items"] if one["id"] not in found}
        unknown += answer["unknown"]
    return {"items": list(found.values()), "unknown": unknown}


def _pieces(refs: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many at once as a server takes and an address has room for."""
    piece: list[str] = []
    length = 0
    for ref in dict.fromkeys(refs):
        more = len(quote(ref, safe="", errors="replace")) + len(quote(","))
        if piece and (len(piece) == MOST or length + more > LONGEST):
            yield piece
            piece, length = [], 0
        piece.append(ref)
        length += more
    if piece:
        yield piece


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
