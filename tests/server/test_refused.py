"""Keys that are refused are counted, whichever way in they were tried on, and whose they are is known afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.ingest.auth import digest_of
from lastseen.ingest.refused import MOST, RefusedKeys
from lastseen.model.story import RefusedFor
from lastseen.testing import FakeClock
from tests.server.conftest import Served, a_server

RECENTLY = timedelta(hours=1)


async def counted(served: Served) -> dict[str, Any]:
    """What the store knows, by the key's hint, when what was counted is written."""
    now = served.app.monitor.clock.now()
    await served.app.keys.refused.write(served.app.store, now)  # type: ignore[arg-type]
    return {one.hint: one for one in await served.other.refused_keys(now - RECENTLY)}


async def revoked(served: Served, text: str) -> None:
    key = next(key for key in await served.other.keys() if text.startswith(key.hint))
    await served.other.revoke_key(key.id, served.app.monitor.clock.now())
    served.app.keys.forget()


async def test_a_revoked_key_names_its_machine(served: Served) -> None:
    key = await served.machine("db-01")
    assert (await served.beat(key)).status_code == 204
    await revoked(served, key)
    assert [(await served.beat(key)).status_code for _ in range(3)] == [401, 401, 401]
    found = (await counted(served))[key[:12]]
    assert (found.machine, found.reason, found.count) == ("db-01", RefusedFor.REVOKED, 3)


async def test_an_expired_key_is_counted_as_expired(served: Served) -> None:
    key = await served.machine("db-01", expires_at=served.app.monitor.clock.now())
    assert (await served.beat(key)).status_code == 401
    found = (await counted(served))[key[:12]]
    assert (found.machine, found.reason, found.count) == ("db-01", RefusedFor.EXPIRED, 1)


async def test_a_disabled_machines_key_is_counted_each_time(served: Served) -> None:
    key = await served.machine("db-01")
    assert (await served.beat(key)).status_code == 204
    await served.app.monitor.disable("db-01")
    served.app.keys.forget()
    assert [(await served.beat(key)).status_code for _ in range(3)] == [403, 403, 403]
    found = (await counted(served))[key[:12]]
    assert (found.machine, found.reason, found.count) == ("db-01", RefusedFor.DISABLED, 3)
    await served.app.monitor.enable("db-01")
    served.app.keys.forget()
    assert (await served.beat(key)).status_code == 204
    assert (await counted(served))[key[:12]].count == 3


async def test_every_way_in_counts(served: Served) -> None:
    pump = (await served.app.monitor.watch("pump")).id
    keys = {scope: await served.key(scope) for scope in ("fleet", "api")}
    keys |= {scope: await served.key(scope, machine_id=pump) for scope in ("machine", "push", "ping")}
    for key in keys.values():
        await revoked(served, key)
    bearer = {scope: {"Authorization": f"Bearer {key}"} for scope, key in keys.items()}
    await served.http.post("/api/v1/heartbeats", content=b"[]", headers=bearer["fleet"])
    await served.http.post("/agent/metrics", content=b"{}", headers={"X-API-Key": keys["machine"]})
    await served.http.get(f"/api/push/{keys['push']}")
    await served.http.get(f"/ping/{keys['ping']}/backup")
    await served.http.get("/api/v1/devices/pump/status", headers=bearer["api"])
    found = await counted(served)
    assert {hint: one.count for hint, one in found.items()} == {key[:12]: 1 for key in keys.values()}


async def test_unknown_keys_are_counted_with_where_they_came_from(served: Served) -> None:
    for key in ("lsm_never-made", "lsm_never-made", "hunter2"):
        assert (await served.beat(key)).status_code == 401
    assert await counted(served) == {}
    found = await served.other.unknown_keys(served.app.monitor.clock.now() - RECENTLY)
    assert (found.count, found.address) == (3, "127.0.0.1")


async def test_accepted_requests_count_nothing_and_write_nothing(served: Served) -> None:
    key = await served.machine("db-01")
    for _ in range(3):
        await served.beat(key)
    assert len(served.app.keys.refused) == 0


async def test_what_was_counted_is_written_when_the_server_stops(tmp_path: Path) -> None:
    async with a_server(tmp_path) as served:
        key = await served.machine("db-01")
        await revoked(served, key)
        await served.beat(key)
    async with a_server(tmp_path) as served:
        (found,) = await served.other.refused_keys(served.app.monitor.clock.now() - RECENTLY)
        assert (found.machine, found.count) == ("db-01", 1)


class Away:
    """A store that cannot be written."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.gone = True

    async def keep_refusals(self, refused: Any, now: Any) -> None:
        if self.gone:
            raise StoreUnavailable("gone")
        self.written += refused


async def test_counts_wait_for_a_store_that_is_away() -> None:
    refused, clock, store = RefusedKeys(), FakeClock(), Away()
    refused.count("aa", clock.now())
    with pytest.raises(StoreUnavailable):
        await refused.write(store, clock.now())  # type: ignore[arg-type]
    refused.count("aa", clock.now())
    store.gone = False
    await refused.write(store, clock.now())  # type: ignore[arg-type]
    assert [(one.digest, one.count) for one in store.written] == [("aa", 2)]
    assert len(refused) == 0


def test_somebody_who_tries_many_keys_does_not_fill_the_memory() -> None:
    refused, clock = RefusedKeys(), FakeClock()
    for number in range(MOST + 500):
        refused.count(digest_of(f"lsm_{number}"), clock.now())
    assert len(refused) == MOST + 1
    assert sum(one.count for one in refused.counted()) == MOST + 500
