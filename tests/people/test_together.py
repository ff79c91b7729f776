"""What several processes do to people at once: two stores on one database, which know nothing of each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lastseen.errors import Conflict, LastseenError, NotFound
from lastseen.model.people import User
from lastseen.protocols import Service
from lastseen.storage import open_store
from lastseen.storage.postgres import PostgresDatabase
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql import SqlStore
from tests.fresh import new_database
from tests.storage.test_suite_postgres import KEY

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ROUNDS = 8

Pair = tuple[Any, Any]


@pytest.fixture(params=["sqlite", "postgres"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    stores: list[Any] = []
    if request.param == "sqlite":
        url = new_database(tmp_path / "lastseen.db")
        stores = [open_store(url) for _ in range(2)]
    else:
        url = request.getfixturevalue("postgres_server").migrated()
        stores = [SqlStore(PostgresDatabase(url, "check"), SecretBox(key_text=KEY)) for _ in range(2)]
    for store in stores:
        assert isinstance(store, Service)
        await store.open()
    yield stores[0], stores[1]
    for store in stores:
        await store.close()


async def at_once(*works: Any) -> list[Any]:
    """What came of each: a value, or an error of ours."""
    ended = await asyncio.gather(*works, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException) and not isinstance(one, LastseenError):
            raise one
    return list(ended)


def made(ended: list[Any], *errors: type[LastseenError]) -> list[User]:
    """The users that came of it; every error is one of these."""
    assert all(isinstance(one, (User, *errors)) for one in ended), ended
    return [one for one in ended if isinstance(one, User)]


async def test_of_two_links_to_set_up_one_makes_the_admin(pair: Pair) -> None:
    for round_ in range(ROUNDS):
        for number, store in enumerate(pair):
            await store.add_link("setup", f"s{round_}{number}", None, NOW, LATER)
        works = [
            store.use_link("setup", f"s{round_}{number}", f"n{round_}{number}", "hash", NOW)
            for number, store in enumerate(pair)
        ]
        (admin,) = made(await at_once(*works), NotFound, Conflict)
        assert await pair[0].users() == [admin]
        await pair[0].database.write(lambda connection: connection.exec_driver_sql("DELETE FROM users"))


async def test_a_link_is_good_for_one_of_two_who_use_it(pair: Pair) -> None:
    eva = await pair[0].add_user("eva", "admin", None, NOW)
    for round_ in range(ROUNDS):
        await pair[0].add_link("password", f"l{round_}", eva.id, NOW, LATER)
        works = [
            store.use_link("password", f"l{round_}", "", f"{round_}{number}", NOW) for number, store in enumerate(pair)
        ]
        ended = await at_once(*works)
        (user,) = made(ended, NotFound)
        assert user.id == eva.id
        assert (await pair[1].user("eva"))[1] == f"{round_}{ended.index(user)}"


async def test_the_last_two_admins_who_remove_each_other_leave_one(pair: Pair) -> None:
    await pair[0].add_user("0", "admin", None, NOW)
    for round_ in range(1, ROUNDS):
        await pair[0].add_user(str(round_), "admin", None, NOW)
        first, second = await pair[1].users()
        way = round_ % 3
        works = [
            pair[0].remove_user(second.id, NOW) if way else pair[0].change_user(second.id, role="viewer"),
            pair[1].remove_user(first.id, NOW) if way != 2 else pair[1].change_user(first.id, role="member"),
        ]
        assert len(made(await at_once(*works), Conflict)) == 1
        known = await pair[0].users()
        assert [user.role for user in known].count("admin") == 1
        for user in known:
            if user.role != "admin":
                await pair[0].remove_user(user.id, NOW)


async def test_a_name_is_given_to_one_of_two(pair: Pair) -> None:
    for round_ in range(ROUNDS):
        names = (f"Eva{round_}", f"EVA{round_}")
        works = [store.add_user(name, "viewer", None, NOW) for name, store in zip(names, pair, strict=True)]
        assert len(made(await at_once(*works), Conflict)) == 1


async def test_nobody_keeps_a_session_a_key_or_a_link_who_is_removed_meanwhile(pair: Pair) -> None:
    """Neither from before, nor from while it was done: a key without its user would be an operator's."""
    here, there = pair
    await here.add_user("eva", "admin", None, NOW)
    for round_ in range(ROUNDS):
        bob = await here.add_user("bob", "admin", None, NOW)
        await there.begin_session(bob.id, f"before{round_}", NOW, LATER, "", "")
        assert (await here.session(f"before{round_}", NOW))[1].name == "bob"
        ended = await at_once(
            there.begin_session(bob.id, f"d{round_}", NOW, LATER, "", ""),
            here.remove_user(bob.id, NOW),
            there.add_key("api", f"k{round_}", "lsa_", NOW, user_id=bob.id, may="write"),
            there.add_link("password", f"l{round_}", bob.id, NOW, LATER),
        )
        assert isinstance(ended[1], User)
        assert [one for one in ended if isinstance(one, LastseenError) and not isinstance(one, NotFound)] == []
        for store in pair:
            assert await store.session(f"before{round_}", NOW) is None, "at once, on every node"
            assert await store.session(f"d{round_}", NOW) is None
            assert await store.find_key(f"k{round_}", NOW) is None
            assert await store.link("password", f"l{round_}", NOW) is False
    assert await here.keys() == []
