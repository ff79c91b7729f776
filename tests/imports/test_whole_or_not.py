"""Nothing is half done: what cannot be brought whole is not brought, and an import that was cut short goes on."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from lastseen.errors import Conflict
from lastseen.imports.past import as_it_stood
from lastseen.model.arrival import ArrivingKey, ArrivingMachine, Stood
from lastseen.monitor.deadline import Rules
from lastseen.storage import open_store, sql_arrivals
from tests.cli.conftest import Cli
from tests.imports.conftest import content, machines, moved
from tests.imports.programs import NOW, Kuma, ago

DECIDE = as_it_stood(Rules(), frozenset(), "another")


def key(digest: str) -> ArrivingKey:
    return ArrivingKey("machine", digest, "hint")


async def test_a_machine_whose_second_key_is_taken_does_not_come_at_all(cli: Cli) -> None:
    store: Any = open_store(f"sqlite:///{cli.folder}/lastseen.db")
    await store.open()
    before = content(cli)
    twice = ArrivingMachine("m1", "web-1", {}, (key("a" * 64), key("a" * 64)), 5, ago(50), Stood.DOWN)
    with pytest.raises(Conflict):
        await store.bring(twice, DECIDE, NOW)
    assert await store.machines() == []
    await store.close()
    assert content(cli) == before


async def test_what_was_brought_is_known_by_its_mark_whatever_it_is_called(cli: Cli) -> None:
    store: Any = open_store(f"sqlite:///{cli.folder}/lastseen.db")
    await store.open()
    first = await store.bring(ArrivingMachine("m1", "web-1", {}, (key("a" * 64),)), DECIDE, NOW)
    again = await store.bring(ArrivingMachine("m1", "other", {}, (key("b" * 64),)), DECIDE, NOW)
    known = [standing.machine.slug for standing in await store.machines()]
    await store.close()
    assert (first.id, first.name) == (again.id, again.name)
    assert known == ["web-1"]


def test_an_import_that_was_cut_short_goes_on_where_it_was(cli: Cli, kuma: Kuma) -> None:
    for number in range(4):
        kuma.push(f"m{number}", f"token-of-number-{number}")
    bring, calls = sql_arrivals.bring, iter(range(100))

    def cut(*given: Any) -> Any:
        if next(calls) == 2:
            raise OSError(28, "No space left on device")
        return bring(*given)

    with mock.patch.object(sql_arrivals, "bring", cut):
        done = cli("import", "uptime-kuma", str(kuma.file))
    assert done.code == 1
    assert set(machines(cli)) == {"m0", "m1"}
    again = moved(cli.json("import", "uptime-kuma", str(kuma.file)))
    assert [row["result"] for row in again.values()] == ["here", "here", "brought", "brought"]
    assert len(cli.json("keys", "list")) == 4
