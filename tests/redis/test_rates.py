"""Nodes count their callers together, and each for itself while nobody tells them of the others."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from lastseen.clock import SystemClock
from lastseen.ingest.limits import Rate
from lastseen.ingest.shared_limits import PART, SharedLimiter
from lastseen.manage.passwords import hashed
from lastseen.storage import open_store
from lastseen.storage.redis_link import Link
from lastseen.storage.redis_rates import Rates
from lastseen.web.throttle import WRONG
from tests.secrecy import secret
from tests.server.conftest import HEARTBEAT, a_server
from tests.servers.valkey import Valkey
from tests.support import eventually

pytestmark = pytest.mark.anyio
RATE = Rate(160, 3600.0)


class Node:
    """`link` is closed by the fixture."""

    def __init__(self, server: Valkey, rate: Rate = RATE) -> None:
        self.link = Link(server.url, SystemClock())
        self.rates = Rates(self.link)
        self.now = 1000.0
        self.limiter: SharedLimiter[object] = SharedLimiter("key", rate, lambda: self.now)

    def take(self, who: object, times: int) -> int:
        """How many of them were let in."""
        return sum(not self.limiter.take(who) for _ in range(times))

    async def exchange(self) -> None:
        await self.limiter.exchange(self.rates.spend)


@pytest.fixture
async def nodes(valkey: Valkey) -> AsyncIterator[list[Node]]:
    """Three, on one database."""
    store = open_store("memory:")
    nodes = [Node(valkey) for _ in range(3)]
    for node in nodes:
        await node.rates.open(store)
        node.rates._prefix = nodes[0].rates._prefix  # a store in memory has no name that lasts
    yield nodes
    for node in nodes:
        await node.link.close()


async def test_a_caller_may_come_as_often_at_three_nodes_as_at_one(nodes: list[Node]) -> None:
    came = 0
    for _ in range(30):
        for node in nodes:
            came += node.take("pump", RATE.times // PART)
            await node.exchange()
    assert RATE.times <= came <= RATE.times + len(nodes) * RATE.times // PART
    for node in nodes:
        assert node.limiter.take("pump") > 0
        assert node.limiter.take("lamp") == 0, "another caller is not held up by it"


async def test_who_comes_seldom_is_told_of_to_nobody(nodes: list[Node], valkey: Valkey) -> None:
    node = nodes[0]
    for _ in range(5):
        node.take("pump", RATE.times // PART - 1)
        await node.exchange()
        node.now += RATE.seconds
        await node.exchange()
    assert valkey.client.keys("*rate*") == []


async def test_a_bucket_fills_again_for_all_of_them(nodes: list[Node], valkey: Valkey) -> None:
    one, other = nodes[0], nodes[1]
    while one.take("pump", 10):
        await one.exchange()
    other.take("pump", RATE.times // PART)
    await other.exchange()
    assert other.limiter.take("pump") > 0
    (key,) = valkey.client.keys("*rate:key:pump")
    assert 3600 <= valkey.client.ttl(key) <= 7200
    valkey.client.delete(key)  # as it is when that time is over
    one.now += 7200
    assert one.take("pump", RATE.times) == RATE.times


async def test_each_goes_on_with_its_own_count_while_the_server_is_away(nodes: list[Node], valkey: Valkey) -> None:
    valkey.kill()
    for node in nodes:
        came = 0
        for _ in range(30):
            came += node.take("pump", RATE.times // PART)
            await node.exchange()
        assert came == RATE.times
    valkey.start()

    callers = itertools.count()

    async def together() -> bool:
        nodes[0].take(f"lamp-{next(callers)}", RATE.times // PART)
        await nodes[0].exchange()
        return bool(valkey.client.keys("*rate:key:lamp-*"))

    await eventually(together)


@pytest.mark.parametrize("value", ["nonsense", "-1", "1e308", "nan", "9" * 30])
async def test_nonsense_in_a_key_locks_nobody_out(nodes: list[Node], valkey: Valkey, value: str) -> None:
    key = f"{nodes[0].rates._prefix}key:pump"
    valkey.client.set(key, value)
    nodes[0].take("pump", RATE.times // PART)
    await nodes[0].exchange()
    assert nodes[0].limiter.take("pump") == 0
    valkey.client.delete(key)
    valkey.client.rpush(key, "a", "list")
    nodes[0].take("pump", RATE.times // PART)
    await nodes[0].exchange()
    assert nodes[0].limiter.take("pump") == 0


async def test_two_servers_on_one_database_refuse_a_key_together(tmp_path: Path, valkey: Valkey) -> None:
    async with AsyncExitStack() as stack:
        given = {"redis_url": valkey.url, "rate_limit": "32/hour"}
        one, other = [await stack.enter_async_context(a_server(tmp_path, **given)) for _ in range(2)]
        key = await one.machine("pump")
        codes = [(await one.beat(key)).status_code for _ in range(32)]
        assert codes == [204] * 32

        async def refused() -> bool:
            return (await other.beat(key)).status_code == 429

        await eventually(refused)
        answer = await other.http.post(HEARTBEAT, headers={"Authorization": f"Bearer {key}"})
        assert int(answer.headers["Retry-After"]) > 0


async def test_two_servers_on_one_database_count_wrong_passwords_together(tmp_path: Path, valkey: Valkey) -> None:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(a_server(tmp_path, redis_url=valkey.url)) for _ in range(2)]
        right = {"name": "ada", "password": secret("right on every node")}
        await one.other.add_user("ada", "member", await hashed(right["password"]), one.app.monitor.clock.now())
        wrong = [await one.http.post("/api/v1/session", json={**right, "password": "not this"}) for _ in range(10)]
        assert {answer.status_code for answer in wrong} == {401}

        def told() -> bool:  # all ten, of the address and of the name, each of which takes a bucket's tenth of its time
            spans = [valkey.client.pttl(key) for key in valkey.client.keys("*rate:login*")]
            return len(spans) == 2 and min(spans) > 9.5 / WRONG.times * WRONG.seconds * 1000

        await eventually(told)
        first = await other.http.post("/api/v1/session", json={**right, "password": "not this"})
        assert first.status_code == 401, "a node asks the others when there is something to tell"

        async def refused() -> bool:
            return (await other.http.post("/api/v1/session", json=right)).status_code == 429

        await eventually(refused)
        assert [key for key in valkey.client.keys("*rate:login*") if "ada" in str(key)] == []
