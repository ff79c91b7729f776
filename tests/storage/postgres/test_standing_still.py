"""A node whose computer is stopped in the middle of a transaction; and two nodes that count the same thing at once."""

from __future__ import annotations

import asyncio

import pytest

from lastseen.errors import StoreUnavailable
from lastseen.model import Beat, Pause
from lastseen.testing.script import at, by_rule
from lastseen.testing.suite_base import declare, online, standing
from tests.servers.postgres import PostgresServer
from tests.storage.postgres.stage import node, on_stage

RULE = by_rule()


async def test_who_stands_still_in_a_transaction_is_waited_for_no_longer_than_said(
    postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with on_stage(postgres_server) as stage:
        one, _ = stage.nodes
        await online(one, "pump")
        still = node(stage.url)
        still.database.held = "300ms"  # type: ignore[attr-defined]
        await still.open()
        stage.nodes.append(still)
        pause = stage.pause()
        settling = stage.start(still.settle(pause.at(RULE), at(500)))
        await pause.reached()
        await one.record([Beat("pump", at(501))], at(501))  # both wait for what it has locked
        await one.order("pump", Pause(), RULE, at(502))
        assert not settling.done()
        pause.go()
        (decided,) = await asyncio.gather(settling, return_exceptions=True)
        assert isinstance(decided, StoreUnavailable) or not decided, "what it had decided is undone"
        assert "machine_parked" not in capsys.readouterr().out, "no machine is to blame"
        row = (await standing(one, "pump")).liveness
        assert row.last_seen == at(501)


async def test_two_keys_that_are_used_for_the_first_time_at_once_are_two_changes(
    postgres_server: PostgresServer,
) -> None:
    """Whoever remembers keys looks at this number: one that stayed would let him take a replaced key for good."""
    async with on_stage(postgres_server) as stage:
        one, two = stage.nodes
        await declare(one, "pump")
        keys = [await one.add_key("api", name * 64, f"lsa_{name}", at(0)) for name in ("a", "b")]
        before = await one.keys_version()
        pause, first = await stage.before_commit(one, "write_beside", one.key_used(keys[0].id, at(1)))
        second = stage.start(two.key_used(keys[1].id, at(1)))
        await stage.waits()
        pause.go()
        await first
        await second
        assert await one.keys_version() == before + 2
