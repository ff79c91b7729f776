"""Brokers that machines report through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lastseen.client.remote import Remote
from lastseen.client.shapes import ListedSource, OneSource, RemovedNamed, Source
from lastseen.errors import InvalidInput

SHOWN_AS = {"kind": "machine_kind"}


async def listed(server: Remote) -> list[ListedSource]:
    return await server.all(ListedSource, "sources")


async def show(server: Remote, name: str) -> OneSource:
    return await server.get(OneSource, "sources", name)


async def add(server: Remote, name: str, said: Mapping[str, Any]) -> Source:
    """An MQTT broker. Files that are named (`ca`, `cert`, `key`) are the server's."""
    try:
        return await server.post(Source, "sources", body={"name": name, **_options(said)})
    except InvalidInput as error:
        raise _by_our_name(error) from None


async def change(server: Remote, name: str, said: Mapping[str, Any]) -> Source:
    """What is not said stays."""
    try:
        return await server.patch(Source, "sources", name, body=_options(said))
    except InvalidInput as error:
        raise _by_our_name(error) from None


async def switch(server: Remote, name: str, on: bool) -> Source:
    """Listen to it no more for now, or again."""
    return await server.post(Source, "sources", name, "resume" if on else "pause")


async def remove(server: Remote, name: str) -> RemovedNamed:
    return await server.delete(RemovedNamed, "sources", name)


def _options(said: Mapping[str, Any]) -> dict[str, Any]:
    """`kind`, of the machines that are added, is called `machine_kind` there."""
    return {SHOWN_AS.get(name, name): value for name, value in said.items() if value is not None}


def _by_our_name(error: InvalidInput) -> InvalidInput:
    ours = {theirs: name for name, theirs in SHOWN_AS.items()}
    return error.called(lambda field: ours.get(field, field))
