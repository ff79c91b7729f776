"""A PostgreSQL that hangs: whoever reports in is told so in time and tries again, what was acknowledged is there, and
nobody is blamed for what was refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import psycopg
import pytest
from structlog.testing import capture_logs

from lastseen.ingest import auth, patience
from lastseen.model import Status
from tests.secrecy import secret
from tests.server.conftest import HEARTBEAT, Served, a_server
from tests.servers import postgres
from tests.support import eventually

SHORT, USUAL = 0.4, patience.PATIENCE
LATE = (503, "5")


@pytest.fixture(scope="module")
def own(postgres_server: postgres.PostgresServer) -> Iterator[postgres.PostgresServer]:
    """A server that a test may stop."""
    with postgres.running("fsync=off") as server:
        yield server


@pytest.fixture
def url(own: postgres.PostgresServer) -> str:
    return own.migrated()


@pytest.fixture
async def served(tmp_path: Path, url: str) -> AsyncIterator[Served]:
    async with a_server(tmp_path, database_url=url, rate_limit="off") as made:
        yield made


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE", SHORT)
    monkeypatch.setattr(patience, "LOOK_EVERY", SHORT / 4)


@contextmanager
def frozen(own: postgres.PostgresServer) -> Iterator[None]:
    own.freeze()
    try:
        yield
    finally:
        own.thaw()


def test_everybody_is_answered_as_soon_as_the_docs_say() -> None:
    """The tests below are less patient."""
    page = (Path(__file__).parents[2] / "docs" / "http.md").read_text()
    assert f"| a database that hangs | {USUAL:g} s for an answer" in page


def told(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("retry-after")


async def in_every_way(served: Served, keys: dict[str, str]) -> list[httpx.Response]:
    http, numbers = served.http, dict.fromkeys(("cpu_pct", "mem_used_pct", "disk_used_pct"), 1)
    return await asyncio.gather(
        served.beat(keys["machine"]),
        served.beat(keys["machine"], b'{"status": "ok"}'),
        served.beat(keys["unused"]),
        http.post("/api/v1/heartbeats", json=[{"machine": "pump"}], headers={"X-API-Key": keys["fleet"]}),
        http.get(f"/ping/{keys['ping']}/pump"),
        http.get(f"/api/push/{keys['push']}"),
        http.post("/agent/metrics", json=numbers, headers={"X-API-Key": keys["machine"]}),
    )


async def test_who_reports_in_by_whatever_way_is_told_to_try_again_and_nobody_is_blamed(
    served: Served, own: postgres.PostgresServer, url: str
) -> None:
    pump = await served.app.monitor.watch("pump", expect="new")
    of_pump = {scope: await served.key(scope, machine_id=pump.id) for scope in ("machine", "push")}
    others = {scope: await served.key(scope) for scope in ("fleet", "ping")}
    keys = {name: secret(key) for name, key in (of_pump | others | {"unused": await served.machine("unused")}).items()}
    assert (await served.beat(keys["machine"])).status_code == 204
    with anyio.fail_after(60):
        with frozen(own), capture_logs() as logs:
            refused_at = served.app.monitor.clock.now()
            answers = await in_every_way(served, keys)
        assert [told(one) for one in answers] == [LATE] * 7
        assert {one["event"] for one in logs} >= {"answers_too_late"}

        async def all_is_well() -> bool:
            return all(one.is_success for one in await in_every_way(served, keys))

        await eventually(all_is_well)

    def blind() -> list[tuple[bool]]:
        with psycopg.connect(url) as connection:
            query = "SELECT started_at <= %s AND ended_at > %s FROM blind_periods WHERE reason = 'store'"
            return connection.execute(query, [refused_at, refused_at]).fetchall()

    await eventually(lambda: (True,) in blind())


async def test_what_is_acknowledged_after_many_tries_is_there_and_so_is_what_was_waiting_to_be_written(
    served: Served, own: postgres.PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {slug: secret(await served.machine(slug)) for slug in (f"m{number}" for number in range(20))}
    monkeypatch.setattr(auth, "FRESH", 3600.0)
    for _ in range(2):  # the first one ends the trust in what is remembered
        answers = await asyncio.gather(*(served.beat(key) for key in keys.values()))
        assert {one.status_code for one in answers} == {204}

    async def until_it_is_taken(key: str) -> None:
        while (answer := await served.beat(key)).status_code != 204:
            assert told(answer) == LATE

    with anyio.fail_after(120):
        with frozen(own):
            began = served.app.monitor.clock.now()
            said = b'{"status": "error", "message": "no water"}'
            assert told(await served.beat(keys["m0"], said)) == LATE
            trying = [asyncio.create_task(until_it_is_taken(key)) for key in keys.values()]
            await eventually(lambda: served.app.monitor.waiting > len(keys), timeout=60)
        await asyncio.gather(*trying)
    for slug in keys:
        last_seen = (await served.standing(slug)).liveness.last_seen
        assert last_seen is not None
        assert last_seen > began, slug

    async def is_decided() -> bool:
        return (await served.standing("m0")).liveness.status is Status.ERROR

    await eventually(is_decided)


SLOWLY: dict[str, tuple[str, str, bytes]] = {
    "heartbeat": ("machine", HEARTBEAT, b'{"status": "ok"}'),
    "batch": ("fleet", "/api/v1/heartbeats", b'[{"machine": "slow"}]'),
    "ping": ("ping", "/ping/{key}/slow", b"done"),
    "metrics": ("machine", "/agent/metrics", b'{"cpu_pct": 1, "mem_used_pct": 1, "disk_used_pct": 1}'),
}


@pytest.mark.parametrize("way", SLOWLY)
async def test_a_body_may_take_longer_than_the_database(served: Served, way: str) -> None:
    scope, path, body = SLOWLY[way]
    of_machine = secret(await served.machine("slow"))
    key = of_machine if scope == "machine" else secret(await served.key(scope))
    so_long = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:3]
        await so_long.wait()
        yield body[3:]

    asyncio.get_running_loop().call_later(3 * SHORT, so_long.set)
    answer = await served.http.post(path.format(key=key), content=slowly(), headers={"X-API-Key": key})
    assert answer.is_success, answer.text
