"""What the parts of the StoreSuite share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lastseen.model import Beat, Event, MachineRef, Standing, Watch
from lastseen.protocols import Service
from lastseen.testing.script import at, by_rule, keep


class StoreSuiteBase:
    """Subclass the suite and give `make`; say in `capabilities` which optional protocols the store has.

    `make` returns a new, empty store each time; a `Service` is opened and closed by the suite. `channels` returns the
    uids of two channels that notifications may name.
    """

    pytestmark = pytest.mark.anyio
    capabilities: frozenset[str] = frozenset()

    def make(self) -> Any:
        raise TypeError(f"{type(self).__name__} must define make(self) -> Store")

    async def channels(self, store: Any) -> Sequence[str]:
        if "channels" not in self.capabilities:
            return ("4bd6ee7f-4e4a-5a40-8d0c-3f5f7b8a0001", "4bd6ee7f-4e4a-5a40-8d0c-3f5f7b8a0002")
        return [(await store.code_channel(name, f"channel:{name}", at(0))).uid for name in ("ops", "pager")]

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    def needs(self, capability: str) -> None:
        if capability not in self.capabilities:
            pytest.skip(f"{type(self).__name__} does not declare the capability {capability!r}")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Any]:
        store = self.make()
        if isinstance(store, Service):
            await store.open()
        try:
            yield store
        finally:
            if isinstance(store, Service):
                await store.close()


async def declare(store: Any, *slugs: str) -> list[Standing]:
    """Machines that are provisioning and were never heard."""
    for slug in slugs:
        await store.order(slug, Watch(), keep, at(0))
    known = await store.liveness(slugs)
    return [known[slug] for slug in slugs]


async def online(store: Any, *slugs: str, seconds: float = 0) -> list[Standing]:
    """Machines that were heard once, and decided on."""
    await declare(store, *slugs)
    await store.record([Beat(slug, at(seconds)) for slug in slugs], at(seconds))
    await store.settle(by_rule(), at(seconds))
    known = await store.liveness(slugs)
    return [known[slug] for slug in slugs]


async def offline(store: Any, *slugs: str, channels: Sequence[str] = ()) -> list[Event]:
    """Machines that were online at 0 s and were found silent at 200 s."""
    await online(store, *slugs)
    return list(await store.settle(by_rule(channels), at(200)))


async def standing(store: Any, machine: MachineRef) -> Standing:
    found: Standing = (await store.liveness([machine]))[machine]
    return found
