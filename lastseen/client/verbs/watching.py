"""Looking on: how everything stands, what is wrong first, and each change as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lastseen.client.answers import value_of
from lastseen.client.following import Following
from lastseen.client.remote import Remote
from lastseen.client.shapes import Board, Change

MOST = 500


async def board(server: Remote, group: str | None = None, limit: int = MOST) -> Board:
    """First what is wrong, the newest trouble first; then who is late."""
    return await server.get(Board, "board", group=group, limit=limit)


@asynccontextmanager
async def changes(server: Remote, group: str | None = None) -> AsyncIterator[AsyncIterator[Change]]:
    """From when this is entered on, however often the server is away meanwhile: `warn` of it is told. `group`: of its
    machines alone."""
    async with Following(server, "stream") as told:

        async def each() -> AsyncIterator[Change]:
            async for one in told:
                change = value_of(one, Change, server.url)
                machine = change["machine"]
                if group is None or (machine and machine["group"] == group):
                    yield change

        yield each()
