"""What a store does whose machines people look for, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lastseen.errors import UnknownMachine
from lastseen.model import Beat, BlindPeriod, BlindReason, Disable, NotificationState, Status, Watch
from lastseen.model.directory import SORTS, Leaf, Sought, place_of
from lastseen.protocols import Catalog, People
from lastseen.testing.script import at, by_rule, keep
from lastseen.testing.suite_base import StoreSuiteBase, declare, offline

NAMES = ("beta", "Alpha", "alpha", "Ämter", "zeta", "Größe ☃", "100%", "a_b", "[x]")


async def several(store: Any) -> None:
    """Nine machines in two groups, of which the first four were heard, the first two at the same time."""
    for number, name in enumerate(NAMES):
        more = {"group": "even" if number % 2 == 0 else "odd", "tags": (f"t{number % 3}", "all")}
        await store.order(f"m{number}", Watch({"name": name, "hostname": f"host-{number}", **more}), keep, at(number))
    await store.record([Beat("m0", at(20)), Beat("m1", at(20)), Beat("m2", at(150)), Beat("m3", at(160))], at(160))
    await store.settle(by_rule(), at(160))
    await store.settle(by_rule(), at(200))


async def pages(store: Any, sought: Sought) -> list[str]:
    """The slugs of all pages."""
    found: list[str] = []
    while some := await store.seek(sought):
        assert len(some) <= sought.limit
        found += [one.machine.slug for one in some]
        sought = replace(sought, after=place_of(some[-1], sought.sort))
    return found


async def owners(store: Any, *names: str) -> Sequence[int]:
    """Ids of users."""
    if isinstance(store, People):
        return [(await store.add_user(name, "member", None, at(0))).id for name in names]
    if isinstance(store, Catalog):
        pytest.skip("this store has no users")
    return range(1, len(names) + 1)


class DirectorySuite(StoreSuiteBase):
    @pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
    @pytest.mark.parametrize("sort", SORTS)
    @pytest.mark.parametrize("size", [1, 2, 4, 100])
    async def test_every_machine_is_on_one_page_in_the_order_of_its_place(
        self, sort: str, descending: bool, size: int
    ) -> None:
        self.needs("directory")
        async with self.opened() as store:
            await several(store)
            found = await pages(store, Sought(sort=sort, descending=descending, limit=size))
            known = await store.liveness([f"m{number}" for number in range(len(NAMES))])
            wanted = sorted(known, key=lambda slug: place_of(known[slug], sort), reverse=descending)
            assert found == wanted

    async def test_names_are_in_order_whatever_their_case(self) -> None:
        self.needs("directory")
        async with self.opened() as store:
            await several(store)
            found = [one.machine.name for one in await store.seek(Sought())]
            assert found == ["100%", "[x]", "a_b", "Alpha", "alpha", "beta", "Größe ☃", "zeta", "Ämter"]

    async def test_by_status_what_is_wrong_comes_first(self) -> None:
        self.needs("directory")
        async with self.opened() as store:
            await several(store)
            found = [one.liveness.status for one in await store.seek(Sought(sort="status"))]
            assert found == [Status.OFFLINE] * 2 + [Status.PROVISIONING] * 5 + [Status.ONLINE] * 2

    async def test_a_machine_that_was_never_heard_is_the_longest_silent(self) -> None:
        self.needs("directory")
        async with self.opened() as store:
            await several(store)
            found = [one.machine.slug for one in await store.seek(Sought(sort="last_seen"))]
            assert found[5:] == ["m0", "m1", "m2", "m3"]

    async def test_filters_leave_out_what_does_not_fit_each_of_them(self) -> None:
        self.needs("directory")
        async with self.opened() as store:
            await several(store)

            async def found(**given: Any) -> set[str]:
                return {one.machine.slug for one in await store.seek(Sought(**given))}

            assert await found(statuses=(Status.OFFLINE,)) == {"m0", "m1"}
            assert await found(statuses=(Status.OFFLINE, Status.ONLINE)) == {"m0", "m1", "m2", "m3"}
            assert await found(groups=("odd",)) == {"m1", "m3", "m5", "m7"}
            assert await found(groups=("odd",), statuses=(Status.OFFLINE,)) == {"m1"}
            assert await found(tags=("t0", "t1"), groups=("odd",)) == {"m1", "m3", "m7"}
            assert await found(kinds=("server",)) == set()
            assert len(await found(kinds=("default", "server"), tags=("all",))) == len(NAMES)
            assert await found(statuses=(Status.PAUSED,)) == set()
            assert await found(called=("m0", NAMES[1], NAMES[2].swapcase(), "nobody")) == {"m0", "m1"}
            assert await found(called=("m0", NAMES[1]), groups=("odd",)) == {"m1"}
            ids = [one.machine.id for one in (await store.liveness(["m0", "m1", "m2"])).values()]
            assert await found(ids=(ids[0], ids[2], 9999)) == {"m0", "m2"}
            assert await found(ids=(ids[0], ids[1]), called=(NAMES[1],)) == {"m1"}
            await store.order("m0", Disable(), keep, at(1))
            assert await found(statuses=(Status.OFFLINE,), enabled=True) == {"m1"}
            assert await found(enabled=False) == {"m0"}
            assert len(await found(enabled=True)) == len(NAMES) - 1
            assert [(one.state, one.machines) for one in await store.census(Sought(enabled=False))] == [("disabled", 1)]

    async def test_a_census_counts_what_fits_by_group_and_status(self) -> None:
        self.needs("directory")
        async with self.opened() as store:
            await several(store)

            async def counted(**given: Any) -> dict[tuple[str, str], int]:
                return {(one.group, one.status.value): one.machines for one in await store.census(Sought(**given))}

            everything = {("even", "offline"): 1, ("odd", "offline"): 1, ("even", "online"): 1, ("odd", "online"): 1}
            everything |= {("even", "provisioning"): 3, ("odd", "provisioning"): 2}
            assert await counted() == await counted(limit=1, sort="status") == everything
            assert await counted(text="alpha") == {("odd", "offline"): 1, ("even", "online"): 1}
            assert await counted(statuses=(Status.PAUSED,)) == {}

    async def test_a_text_is_found_as_it_is_written_but_for_the_case_of_ascii(self) -> None:
        self.needs("directory")
        async with self.opened() as store:
            await several(store)

            async def found(text: str) -> set[str]:
                return {one.machine.slug for one in await store.seek(Sought(text=text))}

            assert await found("ALPHA") == {"m1", "m2"}
            assert await found("Größe") == await found("gRößE") == {"m5"}
            assert await found("☃") == {"m5"}
            assert await found("%") == {"m6"}
            assert await found("_") == {"m7"}
            assert await found("[x]") == {"m8"}
            assert await found("HOST-3") == {"m3"}
            assert await found("'; --") == set()
            assert await found("\\") == set()

    async def test_somebody_sees_what_is_shared_and_what_is_theirs(self) -> None:
        self.needs("directory")
        async with self.opened() as store:
            ada, ben = await owners(store, "ada", "ben")
            await declare(store, "shared", "adas", "bens")
            await store.order("adas", Watch({"owner": ada}), keep, at(1))
            await store.order("bens", Watch({"owner": ben}), keep, at(1))

            async def seen(by: int | None) -> set[str]:
                return {one.machine.slug for one in await store.seek(Sought(seen_by=by))}

            assert await seen(None) == {"shared", "adas", "bens"}
            assert await seen(ada) == {"shared", "adas"}
            assert await seen(ben) == {"shared", "bens"}
            assert await seen(0) == {"shared"}
            assert [one.machine.owner for one in await store.seek(Sought(text="adas"))] == [ada]
            await store.order("adas", Watch({"owner": None}), keep, at(2))
            assert "adas" in await seen(ben)

    async def test_a_machine_that_changes_does_not_move_others_from_their_page(self) -> None:
        self.needs("directory")
        async with self.opened() as store:
            await declare(store, "a", "b", "c", "d")
            first = await store.seek(Sought(limit=2))
            assert [one.machine.slug for one in first] == ["a", "b"]
            await store.order("a", Watch({"name": "z"}), keep, at(1))
            rest = await store.seek(Sought(limit=9, after=place_of(first[-1], "name")))
            assert [one.machine.slug for one in rest] == ["c", "d", "a"]


class AnnalsSuite(StoreSuiteBase):
    async def test_events_are_read_by_pages_the_newest_first(self) -> None:
        self.needs("annals")
        async with self.opened() as store:
            await offline(store, "fan", "pump")
            whole = await store.happened(Leaf())
            assert [one["id"] for one in whole] == sorted((one["id"] for one in whole), reverse=True)
            assert whole == await store.events()
            found: list[Any] = []
            while some := await store.happened(Leaf(before=found[-1]["id"] if found else None, limit=1)):
                found += some
            assert found == whole
            mine = await store.happened(Leaf(machine="pump", types=("machine.offline", "machine.error")))
            assert [(one["machine"], one["type"]) for one in mine] == [("pump", "machine.offline")]
            assert await store.happened(Leaf(since=at(201))) == []
            assert len(await store.happened(Leaf(since=at(200), until=at(201)))) == 2
            with pytest.raises(UnknownMachine):
                await store.happened(Leaf(machine="nobody"))

    async def test_outages_are_read_by_pages_with_how_long_they_took(self) -> None:
        self.needs("annals")
        async with self.opened() as store:
            await offline(store, "pump")
            await store.record([Beat("pump", at(300))], at(300))
            await store.settle(by_rule(), at(300))
            await store.settle(by_rule(), at(900))
            lasting, over = await store.outages(Leaf(machine="pump"))
            assert (lasting["ended_at"], lasting["seconds"], lasting["reason"]) == (None, None, "silent")
            assert (over["seconds"], over["end_reason"], over["machine"]) == (300, "heard", "pump")
            assert await store.outages(Leaf(machine="pump", before=lasting["id"])) == [over]
            assert await store.outages(Leaf(machine="pump", limit=1)) == [lasting]
            assert await store.outages_over(at(300), None, 10) == [over]
            assert await store.outages_over(at(301), None, 10) == []

    async def test_outages_that_are_over_come_by_their_ends(self) -> None:
        self.needs("annals")
        async with self.opened() as store:
            await offline(store, "long", "short")
            for second, slug in ((300, "short"), (500, "long")):
                await store.record([Beat(slug, at(second))], at(second))
                await store.settle(by_rule(), at(second))
            found = await store.outages_over(at(0), None, 10)
            assert [one["machine"] for one in found] == ["long", "short"]
            assert [one["machine"] for one in await store.outages_over(at(0), None, 1)] == ["long"]
            assert [one["machine"] for one in await store.outages_over(at(400), None, 10)] == ["long"]

    async def test_notifications_are_read_by_pages(self) -> None:
        self.needs("annals")
        async with self.opened() as store:
            ops, pager = await self.channels(store)
            await offline(store, "fan", "pump", channels=[ops, pager])
            whole = await store.said(Leaf())
            assert len(whole) == 4
            assert {(one["channel"], one["machine"], one["type"]) for one in whole} == {
                (channel, machine, "machine.offline") for channel in ("ops", "pager") for machine in ("fan", "pump")
            }
            assert await store.said(Leaf(before=whole[1]["id"])) == whole[2:]
            mine = await store.said(Leaf(channel=whole[0]["channel_id"], machine="pump"))
            assert len(mine) == 1
            assert await store.said(Leaf(state=NotificationState.DEAD)) == []
            assert len(await store.said(Leaf(state=NotificationState.PENDING, limit=3))) == 3

    async def test_the_newest_report_is_kept_as_it_came(self) -> None:
        self.needs("annals")
        async with self.opened() as store:
            await declare(store, "pump")
            machine = (await store.liveness(["pump"]))["pump"].machine.id
            assert await store.latest_report(machine) is None
            await store.record([Beat("pump", at(10), body='{"bar": 2.5}')], at(10))
            await store.record([Beat("pump", at(20), body='{"bar":3, "x": "☃"}'), Beat("pump", at(30))], at(30))
            assert await store.latest_report(machine) == (at(20), '{"bar":3, "x": "☃"}')
            assert await store.latest_report(machine + 1) is None

    async def test_blind_time_is_read_by_pages(self) -> None:
        self.needs("annals")
        self.needs("sources")
        async with self.opened() as store:
            source, _ = await store.listen("house", "a", at(0))
            spans = [(0, 10), (20, 25), (30, None)]
            periods = [
                BlindPeriod(source, at(start), None if end is None else at(end), BlindReason.LINK)
                for start, end in spans
            ]
            await store.mark(source, "a", at(40), periods)
            whole = await store.blind(source, Leaf())
            assert [(one["seconds"], one["reason"]) for one in whole] == [(None, "link"), (5, "link"), (10, "link")]
            assert await store.blind(source, Leaf(before=whole[0]["id"], limit=1)) == [whole[1]]
            assert await store.blind(source + 1, Leaf()) == []

    async def test_what_happened_to_machines_of_others_is_not_told(self) -> None:
        self.needs("annals")
        async with self.opened() as store:
            ops, pager = await self.channels(store)
            ada, ben = await owners(store, "ada", "ben")
            await offline(store, "fan", "pump", channels=[ops, pager])
            await store.order("pump", Watch({"owner": ada}), keep, at(300))
            for read in (store.happened, store.outages, store.said):
                assert {one["machine"] for one in await read(Leaf(seen_by=ada))} == {"fan", "pump"}
                assert {one["machine"] for one in await read(Leaf(seen_by=ben))} == {"fan"}
                assert {one["machine"] for one in await read(Leaf(seen_by=0))} == {"fan"}
