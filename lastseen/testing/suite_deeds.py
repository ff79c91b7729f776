"""What a store does that keeps who did what: `Deeds` (the capability `deeds`), and `Witness` (`witness`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from lastseen.errors import Conflict, UnknownMachine
from lastseen.model import Pause, Watch, replace
from lastseen.model.people import Deed
from lastseen.model.retention import Keep
from lastseen.testing.script import at, keep
from lastseen.testing.suite_base import StoreSuiteBase
from lastseen.testing.suite_retention import LATER, SHORT, a_round


def tells(verb: str) -> Any:
    return lambda _: [Deed(at(0), "eva", verb, "machine pump")]


async def verbs(store: Any) -> list[str]:
    """The oldest first."""
    return [deed.verb for deed in reversed(await store.deeds())]


class DeedsSuite(StoreSuiteBase):
    async def test_what_was_done_is_listed_the_newest_first(self) -> None:
        self.needs("deeds")
        async with self.opened() as store:
            done = [
                Deed(at(0), "eva", "add", "machine pump", 1, "session", "192.0.2.1", {"name": [None, "Pump"]}),
                Deed(at(1), "command line", "pause", "machine pump"),
                Deed(at(1), "udo", "remove", "machine vent"),
            ]
            await store.keep_deeds(done[:2])
            await store.keep_deeds(done[2:])
            await store.keep_deeds([])
            listed = await store.deeds()
            assert [replace(deed, id=0) for deed in listed] == done[::-1]
            assert [deed.verb for deed in await store.deeds(limit=1)] == ["remove"]
            assert [deed.verb for deed in await store.deeds(before=listed[0].id)] == ["pause", "add"]
            assert [deed.by for deed in await store.deeds(subject="machine pump")] == ["command line", "eva"]
            assert [deed.verb for deed in await store.deeds(by="eva")] == ["add"]
            assert await store.deeds(subject="machine vent", by="eva") == []
            assert await store.deeds(before=0) == []
            assert len(await store.deeds(before=2**70)) == 3

    async def test_what_was_done_is_kept_as_long_as_events_are(self) -> None:
        self.needs("deeds")
        self.needs("retention")
        async with self.opened() as store:
            await store.keep_deeds([Deed(at(0), "eva", "add", "machine pump", 1)] * 3)
            await store.keep_deeds([Deed(LATER, "eva", "remove", "machine pump", 1)])
            assert await a_round(store, keeping=Keep(events=None)) == {}
            assert await a_round(store, keeping=SHORT) == {"audit_log": 3}
            assert [deed.verb for deed in await store.deeds()] == ["remove"]

    # -- in the transaction of what they tell of

    async def test_a_deed_is_there_with_its_change_and_told_once(self) -> None:
        self.needs("witness")
        async with self.opened() as store:
            with store.witness(tells("add")) as witnessed:
                assert witnessed.deeds is None
                await store.order("pump", Watch(), keep, at(0))
                deeds: Sequence[Deed] | None = witnessed.deeds
                assert [deed.verb for deed in deeds or ()] == ["add"]
                await store.order("pump", Watch(), keep, at(0))
            assert await verbs(store) == ["add"]
            await store.order("pump", Pause(), keep, at(1))
            assert await verbs(store) == ["add"], "nobody is asked about what comes later"

    async def test_what_is_refused_is_no_deed(self) -> None:
        self.needs("witness")
        async with self.opened() as store:
            await store.order("pump", Watch(), keep, at(0))
            with store.witness(tells("add")) as witnessed:
                with pytest.raises(Conflict):
                    await store.order("pump", Watch(expect="new"), keep, at(0))
                with pytest.raises(UnknownMachine):
                    await store.order("fan", Pause(), keep, at(0))
            assert witnessed.deeds is None
            assert await verbs(store) == []

    async def test_a_look_is_no_deed(self) -> None:
        self.needs("witness")
        async with self.opened() as store:
            await store.order("pump", Watch(), keep, at(0))
            with store.witness(tells("look")) as witnessed:
                await store.liveness(["pump"])
                await store.next_check()
                await store.deeds()
            assert witnessed.deeds is None

    async def test_a_deed_may_be_made_of_what_its_change_came_to_or_be_none(self) -> None:
        self.needs("witness")
        async with self.opened() as store:
            seen: list[Any] = []

            def tell(events: Any) -> Sequence[Deed]:
                seen.append(events)
                return []

            with store.witness(tell) as witnessed:
                done = await store.order("pump", Watch(), keep, at(0))
            assert [list(events) for events in seen] == [list(done)]
            assert witnessed.deeds == []
            assert await verbs(store) == []

    async def test_each_task_tells_of_its_own_changes_alone(self) -> None:
        self.needs("witness")
        async with self.opened() as store:

            async def add(slug: str) -> None:
                with store.witness(tells(f"add {slug}")):
                    await asyncio.gather(store.order(f"{slug}-beside", Watch(), keep, at(0)))
                    await store.order(slug, Watch(), keep, at(0))

            with store.witness(tells("all")) as witnessed:
                await asyncio.gather(*(add(slug) for slug in "abc"))
            assert witnessed.deeds is None, "it changed nothing itself"
            assert sorted(await verbs(store)) == ["add a", "add b", "add c"]

    async def test_one_within_another_tells_its_own(self) -> None:
        self.needs("witness")
        async with self.opened() as store:
            with store.witness(tells("outer")):
                with store.witness(tells("inner")):
                    await store.order("pump", Watch(), keep, at(0))
                await store.order("fan", Watch(), keep, at(0))
            assert await verbs(store) == ["inner", "outer"]
