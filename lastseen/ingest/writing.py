"""What is counted in memory gets into the store now and then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from lastseen.errors import StoreUnavailable


@asynccontextmanager
async def kept_up(
    write: Callable[[], Awaitable[None]], every: float, failed: Callable[[Exception], None]
) -> AsyncIterator[None]:
    """`write` is called every so many seconds for as long, and once more at the end. A store that cannot be written
    stops nothing: whoever writes tells of it, and what was counted waits. Any other error (a store may be a plugin, and
    what is counted decides nothing) is told to `failed`."""
    async with anyio.create_task_group() as group:
        group.start_soon(_keep_writing, write, every, failed)
        try:
            yield
        finally:
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await _try(write, failed)


async def _keep_writing(
    write: Callable[[], Awaitable[None]], every: float, failed: Callable[[Exception], None]
) -> None:
    while True:
        await anyio.sleep(every)
        await _try(write, failed)


async def _try(write: Callable[[], Awaitable[None]], failed: Callable[[Exception], None]) -> None:
    try:
        await write()
    except StoreUnavailable:
        pass
    except Exception as error:  # noqa: BLE001
        failed(error)
