"""What a store counts for messages to everybody: machines that are somebody's are in the numbers, and are not named."""

from __future__ import annotations

from typing import Any

from lastseen.model import HTTP_SOURCE, Watch
from lastseen.testing.script import at, keep
from lastseen.testing.suite_base import StoreSuiteBase, online


async def three(store: Any) -> None:
    """All were heard; `b` is somebody's."""
    await online(store, "a", "b", "c")
    ada = (await store.add_user("ada", "member", None, at(0))).id
    await store.order("b", Watch({"owner": ada}), lambda case: keep(case, at(120)), at(1))


class CountedSuite(StoreSuiteBase):
    async def test_a_group_is_counted_whole_and_what_is_somebodys_is_not_named(self) -> None:
        for capability in ("catalog", "people"):
            self.needs(capability)
        async with self.opened() as store:
            await three(store)
            found = await store.roll("http", 10)
            assert (found.total, found.up) == (3, ("a", "c"))
            assert (await store.roll("http", 1)).up == ("a",)
            assert (await store.roll("nowhere", 10)).total == 0

    async def test_who_was_not_heard_again_is_counted_whole_and_what_is_somebodys_is_not_named(self) -> None:
        for capability in ("announces", "people"):
            self.needs(capability)
        async with self.opened() as store:
            await three(store)
            for source in (None, HTTP_SOURCE):
                found = await store.muster(source, at(60), 10)
                assert (found.held, found.waiting, sorted(found.names)) == (3, 3, ["a", "c"])
            assert (await store.muster(None, at(0), 10)).waiting == 0
            assert (await store.muster(HTTP_SOURCE + 1)).held == 0
