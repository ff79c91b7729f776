"""Whatever becomes of the Redis server: the status is the database's, heartbeats go on, no password is logged, and when
it is there again it is filled again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.redis.copies import Serving, serving
from tests.servers.valkey import Valkey
from tests.support import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
async def node(tmp_path: Path, valkey: Valkey) -> AsyncIterator[Serving]:
    """A server, and a machine `pump` that is online there."""
    async with serving(tmp_path, valkey) as node:
        yield node


async def test_nothing_is_lost_when_it_is_killed_and_all_is_there_again_when_it_is_back(
    node: Serving, valkey: Valkey, capsys: pytest.CaptureFixture[str]
) -> None:
    valkey.kill()
    await node.lives()
    await node.says("online")
    await eventually(lambda: node.copy.trouble)
    for _ in range(3):
        await node.lives()
        await node.says("online")
    await node.app.monitor.pause("pump")
    await node.says("paused")
    assert "there is no connection" in (await node.notes())[-1]
    valkey.start()
    await eventually(lambda: valkey.client.get(f"device:status:{node.pump}") == "offline")
    await eventually(node.copied)
    assert "Redis" not in " ".join(await node.notes())
    said = capsys.readouterr().out
    assert said.count("redis_away") == 1
    assert said.count("redis_back") == 1
    assert valkey.password not in said


async def test_nobody_waits_for_one_that_hangs(node: Serving, valkey: Valkey) -> None:
    valkey.freeze()
    await node.lives()
    await node.says("online")
    await eventually(lambda: not node.copy.link.there)
    await node.app.monitor.pause("pump")
    await node.says("paused")
    await eventually(lambda: "in time" in node.copy.trouble)
    await node.lives()
    valkey.thaw()
    await eventually(lambda: valkey.client.get(f"device:status:{node.pump}") == "offline")
    await eventually(node.copied)
    await node.says("paused")


async def test_one_that_was_emptied_is_filled_again_as_machines_are_heard(node: Serving, valkey: Valkey) -> None:
    valkey.client.flushall()
    await node.says("online")
    valkey.client.flushall()
    await node.lives()
    await eventually(lambda: valkey.client.get(f"device:status:{node.pump}") == "online")
    assert valkey.client.get(f"device:lastseen:{node.pump}") == (await node.status())["last_seen"]


async def test_one_that_was_emptied_is_filled_again_with_those_that_are_not_heard(
    node: Serving, valkey: Valkey
) -> None:
    await eventually(lambda: valkey.client.exists(node.key("round")))
    valkey.client.flushall()
    await eventually(lambda: valkey.client.get(f"device:status:{node.pump}") == "online")


async def test_one_that_is_full_is_away_until_there_is_room(node: Serving, valkey: Valkey) -> None:
    valkey.client.config_set("maxmemory-policy", "noeviction")
    valkey.client.config_set("maxmemory", "1")
    await node.lives()
    await node.app.monitor.pause("pump")
    await eventually(lambda: "no memory" in node.copy.trouble)
    await node.says("paused")
    await node.lives()
    assert valkey.client.get(f"device:status:{node.pump}") == "online", "it could not be written"
    valkey.client.config_set("maxmemory", "0")
    await eventually(lambda: valkey.client.get(f"device:status:{node.pump}") == "offline")
    await node.says("paused")


async def test_when_it_is_back_everything_is_written_again(node: Serving, valkey: Valkey) -> None:
    """Another node may have lost what this one knows nothing of."""
    await eventually(lambda: valkey.client.exists(node.key("round")))
    valkey.client.config_set("maxmemory-policy", "noeviction")
    valkey.client.config_set("maxmemory", "1")
    await node.app.monitor.watch("lamp")
    await eventually(lambda: node.copy.trouble)
    valkey.client.delete(f"device:status:{node.pump}")
    valkey.client.config_set("maxmemory", "0")
    await eventually(lambda: valkey.client.get(f"device:status:{node.pump}") == "online")


async def test_nobody_asks_one_that_is_known_to_be_away(node: Serving, valkey: Valkey) -> None:
    valkey.freeze()
    await node.says("online")
    await eventually(lambda: node.copy.trouble)
    asked = []
    client = node.copy.link._client
    client.mget, before = (lambda keys: asked.append(keys)), client.mget
    for _ in range(20):
        await node.says("online")
    client.mget = before
    assert asked == []


async def test_a_wrong_password_costs_speed_alone_and_is_not_logged(
    tmp_path: Path, valkey: Valkey, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = valkey.url.replace(valkey.password, "not-that-" + valkey.password)
    async with serving(tmp_path, valkey, redis_url=wrong) as node:
        await eventually(lambda: "password" in node.copy.trouble)
        await node.lives()
        await node.says("online")
        assert "password" in (await node.notes())[-1]
    assert valkey.client.dbsize() == 0
    assert valkey.password not in capsys.readouterr().out


GARBAGE = [b"", b"1", b"nonsense", b"1" * 45, b"1" * 45 + b"\x80", b"\xff" * 500, b"{}", b"9" * 400]


@pytest.mark.parametrize("value", GARBAGE)
async def test_nonsense_in_our_keys_is_not_believed_and_goes_when_it_is_written_again(
    node: Serving, valkey: Valkey, value: bytes
) -> None:
    valkey.raw.set(node.key(node.pump), value)
    valkey.raw.set(node.key("floor"), value)
    await node.says("online")
    await node.app.monitor.pause("pump")
    await node.says("paused")
    await eventually(node.copied)
    assert valkey.client.get(f"device:status:{node.pump}") == "offline"


async def test_keys_of_another_type_are_replaced(node: Serving, valkey: Valkey) -> None:
    names = [node.key(node.pump), f"device:status:{node.pump}", f"device:lastseen:{node.pump}"]
    valkey.client.delete(*names)
    for name in names:
        valkey.client.rpush(name, "a", "list")
    await node.says("online")
    await node.lives()
    await eventually(node.copied)
    assert valkey.client.get(f"device:status:{node.pump}") == "online"


async def test_a_value_of_another_machine_is_not_taken_for_this_one(node: Serving, valkey: Valkey) -> None:
    await node.app.monitor.watch("lamp")
    lamp = (await node.app.monitor.status("lamp")).id
    await eventually(lambda: valkey.raw.exists(node.key(lamp)))
    value = valkey.raw.get(node.key(lamp))
    assert value is not None
    valkey.raw.set(node.key(node.pump), value)
    await node.says("online")
