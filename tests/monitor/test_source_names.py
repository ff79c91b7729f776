"""What ways in call machines, whom they may add, and the rows that sources have."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lastseen.errors import Conflict, InvalidInput, NotFound, StoreUnavailable
from lastseen.monitor import sources
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.storage import open_store
from lastseen.testing import FakeClock
from tests.monitor.cases import STORES, scene, url_of
from tests.monitor.comings import say
from tests.support import eventually


async def test_names_of_a_source_are_not_slugs(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s, s.monitor.source("broker") as port, s.monitor.source("other") as other:
        assert await say(port, "living room/lamp", add={"kind": "device"})
        first = await s.monitor.status("living-room-lamp")
        assert (first.name, first.group, first.sources) == ("living room/lamp", "broker", ("broker",))
        assert await say(port, "living room lamp", add={})
        assert (await s.monitor.status("living-room-lamp-2")).name == "living room lamp"
        assert await say(other, "living room/lamp", add={})
        assert (await s.monitor.status("living-room-lamp-3")).group == "other"
        await s.monitor.watch("living-room-lamp", name="Lamp")
        assert await port.machine("living room/lamp") == first.id, "renaming changes nothing"


async def test_a_machine_that_was_declared_by_hand_takes_the_name_that_is_its_slug(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s, s.monitor.source("broker") as port, s.monitor.source("other") as other:
        declared = await s.monitor.watch("pump")
        assert await port.machine("pump") == declared.id
        assert await other.machine("pump") is None, "two of the same name on two brokers are two machines"
        assert await other.machine("pump", {}) != declared.id


async def test_a_removed_machine_is_not_made_again(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s, s.monitor.source("broker") as port:
        await say(port, "pump", add={})
        await s.monitor.forget("pump")
        with pytest.raises(NotFound):
            await say(port, "pump", add={})
        port.forget("pump")
        assert not await say(port, "pump", add={})
        await port.detach("pump")
        assert not await say(port, "pump", add={}), "the tombstone stays"


async def test_a_detached_machine_stays_and_its_name_is_free(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s, s.monitor.source("broker") as port:
        await say(port, "pump", add={})
        await port.detach("pump")
        assert (await s.monitor.status("pump")).name == "pump"
        assert await port.machine("pump") == (await s.monitor.status("pump")).id


@pytest.mark.parametrize("store", STORES)
async def test_many_messages_of_one_new_machine_make_it_once(store: str, tmp_path: Path) -> None:
    async with scene(store, tmp_path) as s, s.monitor.source("broker") as port:
        ids = await asyncio.gather(*(port.machine("pump", {}) for _ in range(50)))
        assert len(set(ids)) == 1


async def test_a_wrong_field_of_a_machine_to_be_made_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s, s.monitor.source("broker") as port:
        with pytest.raises(InvalidInput) as refused:
            await port.machine("pump", {"offline_after": "soon"})
        assert refused.value.field == "offline_after"
        with pytest.raises(InvalidInput, match="kind"):
            await port.machine("pump", {"kind": "unheard of"})
        assert await s.monitor.statuses(["pump"]) == {}


async def test_strangers_are_counted_and_the_newest_are_kept(tmp_path: Path) -> None:
    async with scene("sqlite", tmp_path) as s:
        async with s.monitor.source("broker") as port:
            for n in range(150):
                assert not await say(port, f"m{n}")
            port.unknown("m7")
            port.malformed("a/b\n", "no JSON")
            assert len(port.heard_unknown()) == 151
            await port.keep_strangers()
            for n in range(150, 300):
                port.unknown(f"m{n}")
            await port.keep_strangers()
        checkup = await s.monitor.store.checkup(s.clock.now())  # type: ignore[attr-defined]
        broker = next(one for one in checkup.sources if one.name == "broker")
        unknown = {one.name: one.heard for one in broker.strangers if one.kind == "unknown"}
        assert 0 < len(unknown) <= 200
        assert [one.name for one in broker.strangers if one.kind == "malformed"] == ["a/b?"]


async def test_strangers_are_written_down_while_it_runs_also_after_the_store_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "KEEP_STRANGERS", 0.01)
    away = HeartbeatMonitor(url_of("sqlite", tmp_path))
    async with away, away.source("broker") as port:
        store: Any = away.store
        keep, tries = store.keep_strangers, 0

        async def refuse(source: int, counted: Any) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise StoreUnavailable("away")
            await keep(source, counted)

        monkeypatch.setattr(store, "keep_strangers", refuse)
        port.unknown("m1")
        port.unknown("m1")

        async def written() -> list[tuple[str, int]]:
            checkup = await store.checkup(away.clock.now())
            return [(one.name, one.heard) for of in checkup.sources for one in of.strangers]

        assert await eventually(written) == [("m1", 2)]
        assert tries == 2


async def test_source_rows_keep_their_secrets_and_their_ids(tmp_path: Path) -> None:
    store: Any = open_store(url_of("sqlite", tmp_path))
    await store.open()
    now = FakeClock().now()
    made = await store.add_source("mqtt", "broker", {"url": "mqtt://b"}, {"password": "hush-hush"}, now)
    assert made.id == 1
    with pytest.raises(Conflict):
        await store.add_source("mqtt", "broker", {}, {}, now)
    assert await store.source_secrets("broker") == {"password": "hush-hush"}
    changed = await store.change_source("broker", {"url": "mqtt://c"})
    assert changed.config == {"url": "mqtt://c"}
    assert await store.source_secrets("broker") == {"password": "hush-hush"}
    await store.remove_source("broker", now)
    assert [source.name for source in await store.sources()] == ["http"]
    for missing in (store.remove_source("broker", now), store.source_secrets("broker")):
        with pytest.raises(NotFound):
            await missing
    again = await store.add_source("mqtt", "broker", {}, {}, now)
    assert again.id == 2, "what was heard on the old one is not the new one's"
    for n in range(3, 63):
        await store.add_source("mqtt", f"b{n}", {}, {}, now)
    reused = await store.add_source("mqtt", "one more", {}, {}, now)
    assert reused.id == 1, "no machine was heard on it"
    with pytest.raises(InvalidInput):
        await store.add_source("mqtt", "too many", {}, {}, now)
    await store.close()
