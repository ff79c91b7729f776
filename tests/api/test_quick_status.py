"""The short way to the status of a machine answers as the long one does, and reads for many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import httpx
import pytest

from lastseen.errors import StoreUnavailable
from lastseen.model import MachineRef, Standing, Watch
from lastseen.storage.memory import MemoryStore
from lastseen.testing.script import at, keep
from lastseen.web.api.quick_status import Gathered
from tests.api.conftest import URL, Api

REFS = (
    "m",
    "1",
    "2",
    "7",
    "8",
    "other",
    "nobody",
    "0",
    "99",
    str(2**31),
    str(2**63),
    "9" * 200,
    "a b",
    "%00",
    "status",
)


async def both(api: Api, path: str, headers: Mapping[str, str], method: str = "GET") -> list[httpx.Response]:
    """As the server answers, and as FastAPI does by itself."""
    found = []
    for app in (api.app, api.app.api):
        transport = httpx.ASGITransport(app, client=("192.0.2.9", 4000))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            found.append(await http.request(method, f"/api/v1{path}", headers=headers))
    return found


async def test_both_ways_answer_alike(api: Api) -> None:
    mine = (await api.add("m"))["key"]
    await api.add("other")
    await api.add("8")  # a slug that looks like an id
    await api.post("/machines", json={"slug": "off"})
    off = (await api.post("/machines/off/rotate-key"))["key"]
    await api.post("/machines/off/disable")
    store, now = api.app.store, api.clock.now()
    ada = (await store.add_user("ada", "member", None, now)).id
    ben = (await store.add_user("ben", "viewer", None, now)).id
    await api.app.monitor.watch("other", owner=ada)
    await api.app.monitor.heartbeat("m")
    keys = {
        "write": api.key,
        "read": await api.new_key(may="read"),
        "adas": await api.new_key(may="write", user_id=ada),
        "bens": await api.new_key(may="read", user_id=ben),
        "machine": mine,
        "off": off,
        "fleet": await api.new_key("fleet"),
        "wrong": "lsa_" + "x" * 43,
        "none": "",
    }
    answered = set()
    for key in keys.values():
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        for ref in REFS:
            for what in ("machines", "devices"):
                quick, long = await both(api, f"/{what}/{ref}/status", headers)
                assert (quick.status_code, quick.content) == (long.status_code, long.content), (key, ref)
                assert dict(quick.headers) == dict(long.headers), (key, ref)
                answered.add(quick.status_code)
    assert answered >= {200, 401, 403, 404}
    for method in ("HEAD", "POST", "OPTIONS"):
        quick, long = await both(api, "/machines/m/status", {"X-API-Key": api.key}, method)
        assert (quick.status_code, quick.content, dict(quick.headers)) == (
            long.status_code,
            long.content,
            dict(long.headers),
        )


async def test_it_is_the_short_way_that_answers(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.add("m")
    first = await api.get("/machines/m/status")  # now the key is remembered

    async def never(*_: object) -> None:
        raise AssertionError("went the long way")

    monkeypatch.setattr(api.app._with_status._app._app, "_rest", never)  # type: ignore[attr-defined]
    assert await api.get("/machines/m/status") == first


class Slow:
    """Reads from a store when it is told to."""

    def __init__(self, store: MemoryStore) -> None:
        self.store, self.go, self.reads = store, asyncio.Event(), list[list[MachineRef]]()
        self.fails = False

    async def read(self, refs: Sequence[MachineRef]) -> Mapping[MachineRef, Standing]:
        self.reads.append(list(refs))
        found = await self.store.liveness(refs)
        await self.go.wait()
        if self.fails:
            raise StoreUnavailable("gone")
        return found


async def test_who_asks_while_others_are_read_for_is_read_for_together_and_anew() -> None:
    store = MemoryStore()
    for slug in "abc":
        await store.order(slug, Watch(), keep, at(0))
    slow = Slow(store)
    gathered = Gathered(slow.read)
    first = asyncio.create_task(gathered("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await store.order("a", Watch({"name": "new"}), keep, at(1))
    rest = [asyncio.create_task(gathered(slug)) for slug in ("a", "b", "c", "a", "nobody")]
    await asyncio.sleep(0)
    slow.go.set()
    before = await first
    after = await asyncio.gather(*rest)
    assert slow.reads == [["a"], ["a", "b", "c", "nobody"]]
    assert before is not None
    assert [one and one.machine.name for one in after] == ["new", "b", "c", "new", None]
    assert await gathered("b") is not None, "it goes on"


async def test_a_read_that_fails_is_told_to_whoever_waited_for_it() -> None:
    slow = Slow(MemoryStore())
    gathered = Gathered(slow.read)
    slow.fails = True
    slow.go.set()
    given_up = asyncio.create_task(gathered("b"))
    asked = [asyncio.create_task(gathered("a")) for _ in range(2)]
    await asyncio.sleep(0)
    given_up.cancel()
    for one in asked:
        with pytest.raises(StoreUnavailable):
            await one
    slow.fails = False
    assert await gathered("a") is None
