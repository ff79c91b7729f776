"""What a store does that knows people: `People` and `Sessions` (the capability `people`)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lastseen.errors import Conflict, InvalidInput, LastseenError, NotFound
from lastseen.model import Watch, replace
from lastseen.model.people import User
from lastseen.testing.script import at, keep
from lastseen.testing.suite_base import StoreSuiteBase, declare, standing

HOUR = 3600.0
HASH = "hash of a new one"


async def admin(store: Any, name: str = "eva") -> User:
    return await user(store, name, "admin")


async def user(store: Any, name: str, role: str = "member") -> User:
    made: User = await store.add_user(name, role, f"hash of {name}", at(0))
    return made


async def logged_in(store: Any, whose: User, digest: str, seconds: float = 0) -> int:
    """The session's id. It lasts an hour."""
    begun = await store.begin_session(whose.id, digest, at(seconds), at(seconds + HOUR), "192.0.2.1", "Browser")
    found: int = begun.id
    return found


async def outcomes(*works: Any) -> list[str]:
    """All at once; the errors that came of it, by name, and `done`."""
    ended = await asyncio.gather(*works, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException) and not isinstance(one, LastseenError):
            raise one
    return sorted(type(one).__name__ if isinstance(one, LastseenError) else "done" for one in ended)


class PeopleSuite(StoreSuiteBase):
    async def test_users_are_found_by_id_and_by_name_whatever_its_case(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            made = await store.add_user("Straße", "viewer", None, at(5))
            assert (made.name, made.role, made.created_at, made.has_password) == ("Straße", "viewer", at(5), False)
            for who in (made.id, "Straße", "STRASSE", "straße"):
                assert await store.user(who) == (made, None)
            for nobody in (0, -1, 2**40, made.id + 1, "Strase", "", "nul\0", "half \ud800"):
                assert await store.user(nobody) is None
            await user(store, "anna")
            assert [one.name for one in await store.users()] == ["anna", "Straße"]

    async def test_a_name_is_given_once(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            await admin(store, "Eva")
            for taken in ("Eva", "eva", "EVA", "Ｅva"):
                with pytest.raises(Conflict):
                    await user(store, taken)
            works = [store.add_user(name, "viewer", None, at(0)) for name in ("Udo", "udo", "UDO")]
            assert await outcomes(*works) == ["Conflict", "Conflict", "done"]
            assert len(await store.users()) == 2

    @pytest.mark.parametrize("name", ["", " eva", "eva\n", "a\0b", "half \ud800", "x" * 201, "two\nlines"])
    async def test_what_is_no_name_is_refused(self, name: str) -> None:
        self.needs("people")
        async with self.opened() as store:
            with pytest.raises(InvalidInput) as caught:
                await store.add_user(name, "viewer", None, at(0))
            assert caught.value.field == "name"
            made = await admin(store)
            for work in (store.add_user("udo", "king", None, at(0)), store.change_user(made.id, role="king")):
                with pytest.raises(InvalidInput) as caught:
                    await work
                assert caught.value.field == "role"
            assert [one.role for one in await store.users()] == ["admin"]

    async def test_somebody_stays_an_admin(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            eva = await admin(store)
            for work in (store.change_user(eva.id, role="viewer"), store.remove_user(eva.id, at(1))):
                with pytest.raises(Conflict):
                    await work
            assert (await store.user("eva"))[0].role == "admin"
            udo = await admin(store, "udo")
            assert (await store.change_user(eva.id, role="viewer")).role == "viewer"
            assert (await store.remove_user(eva.id, at(2))).name == "eva"
            with pytest.raises(Conflict):
                await store.remove_user(udo.id, at(3))
            for work in (store.change_user(99, role="viewer"), store.remove_user(99, at(1))):
                with pytest.raises(NotFound):
                    await work

    async def test_of_two_admins_who_remove_each_other_one_stays(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            eva, udo = await admin(store), await admin(store, "udo")
            works = (store.remove_user(udo.id, at(1)), store.change_user(eva.id, role="member"))
            assert await outcomes(*works) == ["Conflict", "done"]
            assert [one.role for one in await store.users()].count("admin") == 1

    async def test_who_goes_leaves_what_was_theirs_to_everybody(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            await admin(store)
            udo = await user(store, "udo")
            await store.order("pump", Watch({"owner": udo.id}), keep, at(0))
            assert (await standing(store, "pump")).machine.owner == udo.id
            await logged_in(store, udo, "d1")
            await store.add_link("password", "l1", udo.id, at(1), at(HOUR))
            await store.add_key("api", "k1", "lsa_", at(1), user_id=udo.id, may="write")
            before = await store.keys_version()
            assert await store.remove_user(udo.id, at(2)) == replace(udo, last_in_at=at(0))
            assert (await standing(store, "pump")).machine.owner is None
            assert await store.session("d1", at(2)) is None
            assert await store.link("password", "l1", at(2)) is False
            assert await store.find_key("k1", at(2)) is None
            assert await store.keys_version() > before
            assert (await user(store, "udo")).id != udo.id, "no id is given twice"

    async def test_the_channels_of_who_goes_are_switched_off(self) -> None:
        self.needs("people")
        self.needs("channels")
        async with self.opened() as store:
            eva, udo = await admin(store), await user(store, "udo")
            for name, owner in (("his", udo.id), ("hers", eva.id), ("all", None)):
                await store.add_channel("webhook", name, {}, {}, f"webhook:{name}", at(0), owner)
            await store.remove_user(udo.id, at(1))
            known = {channel.name: channel for channel in await store.channels()}
            assert [(known[name].enabled, known[name].owner_id) for name in ("his", "hers", "all")] == [
                (False, None),
                (True, eva.id),
                (True, None),
            ]
            assert "udo" in (known["his"].disabled_reason or "")

    # -- sessions

    async def test_who_was_logged_in_by_another_was_in_when_they_came(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            eva = await admin(store)
            await store.user_came(eva.id, at(7))
            assert [one.last_in_at for one in await store.users()] == [at(7)]
            assert await store.sessions(None, at(8)) == []
            for nobody in (eva.id + 1, 0, -1, 2**70):
                await store.user_came(nobody, at(9))
            assert [one.last_in_at for one in await store.users()] == [at(7)]

    async def test_a_session_is_its_users_until_it_is_over(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            eva = await admin(store)
            begun = await logged_in(store, eva, "d1")
            session, whose = await store.session("d1", at(HOUR - 1))
            assert (session.id, session.user_id, session.address, session.agent) == (
                begun,
                eva.id,
                "192.0.2.1",
                "Browser",
            )
            assert (session.created_at, session.used_at, session.expires_at) == (at(0), at(0), at(HOUR))
            assert (whose.name, whose.role, whose.last_in_at) == ("eva", "admin", at(0))
            assert await store.session("d2", at(1)) is None
            assert await store.session("d1", at(HOUR)) is None
            await store.session_used(begun, at(60), at(60 + HOUR))
            session, _ = await store.session("d1", at(HOUR))
            assert (session.created_at, session.used_at, session.expires_at) == (at(0), at(60), at(60 + HOUR))
            for nobody in (99, 0, 2**40):
                await store.session_used(nobody, at(1), at(2))
                with pytest.raises(NotFound):
                    await store.begin_session(nobody, "d9", at(0), at(1), "", "")

    async def test_what_was_made_while_the_clock_was_years_ahead_does_not_last_until_then(self) -> None:
        self.needs("people")
        year = 365 * 24 * HOUR
        async with self.opened() as store:
            await logged_in(store, await admin(store), "ahead", year)
            await logged_in(store, await user(store, "udo"), "soon", HOUR)
            await store.add_link("password", "link", 1, at(year), at(year + HOUR))
            assert await store.session("ahead", at(0)) is None
            assert await store.link("password", "link", at(0)) is False
            assert [session.id for session, _ in await store.sessions(None, at(0))] == [2]
            assert await store.session("soon", at(0)), "a clock that is put back by some hours logs nobody out"
            assert await store.session("ahead", at(year))

    async def test_a_new_role_counts_in_a_session_that_is_there(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            await admin(store)
            udo = await user(store, "udo", "admin")
            await logged_in(store, udo, "d1")
            await store.change_user(udo.id, role="viewer")
            assert (await store.session("d1", at(1)))[1].role == "viewer"

    async def test_sessions_are_listed_the_latest_used_first(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            eva, udo = await admin(store), await user(store, "udo")
            first, second = await logged_in(store, eva, "d1"), await logged_in(store, udo, "d2", 10)
            third = await logged_in(store, eva, "d3", 20)
            await store.session_used(first, at(30), at(30 + HOUR))
            listed = [(one.id, whose.name) for one, whose in await store.sessions(None, at(40))]
            assert listed == [(first, "eva"), (third, "eva"), (second, "udo")]
            assert [one.id for one, _ in await store.sessions(eva.id, at(40))] == [first, third]
            assert [one.id for one, _ in await store.sessions(eva.id, at(25 + HOUR))] == [first]
            assert await store.sessions(2**40, at(40)) == []

    async def test_sessions_are_listed_by_pages_also_where_they_were_used_at_the_same_time(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            eva = await admin(store)
            every = [await logged_in(store, eva, f"d{number}", number // 2) for number in range(5)]
            found, after = [], None
            for _ in every:
                ((one, _),) = await store.sessions(None, at(40), after, 1)
                found.append(one.id)
                after = one.used_at, one.id
            assert found == every[::-1]
            assert await store.sessions(None, at(40), after, 1) == []
            assert len(await store.sessions(eva.id, at(40), limit=3)) == 3

    async def test_sessions_end_one_by_one_or_all_of_a_user_but_one(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            eva, udo = await admin(store), await user(store, "udo")
            ids = [await logged_in(store, eva, f"e{number}") for number in range(3)]
            theirs = await logged_in(store, udo, "u")
            assert await store.end_sessions() == 0
            assert await store.end_sessions(session=ids[0]) == 1
            assert await store.end_sessions(session=ids[0]) == 0
            assert await store.end_sessions(user=eva.id, session=theirs) == 0, "it is somebody else's"
            assert await store.end_sessions(user=eva.id, but=ids[2]) == 1
            assert await store.end_sessions(user=2**40) == 0
            assert [one.id for one, _ in await store.sessions(None, at(1))] == [theirs, ids[2]]

    async def test_a_new_password_ends_the_others_sessions(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            eva, udo = await admin(store), await user(store, "udo")
            mine = await logged_in(store, eva, "e1")
            await logged_in(store, eva, "e2")
            await logged_in(store, udo, "u")
            await store.add_link("password", "l1", eva.id, at(1), at(HOUR))
            await store.change_user(eva.id, password=HASH, but=mine)
            assert (await store.user("eva"))[1] == HASH
            assert [await store.session(digest, at(1)) is not None for digest in ("e1", "e2", "u")] == [
                True,
                False,
                True,
            ]
            assert await store.link("password", "l1", at(1)) is False
            await store.change_user(eva.id, password=f"another {HASH}")
            assert await store.session("e1", at(1)) is None

    # -- links

    async def test_the_first_admin_comes_by_a_link(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            for digest in ("s1", "s2"):
                await store.add_link("setup", digest, None, at(0), at(HOUR))
            for digest in ("s1", "s2"):
                assert await store.link("setup", digest, at(1)) is None
            for purpose, digest, seconds in (("setup", "s3", 1), ("password", "s1", 1), ("setup", "s1", HOUR)):
                assert await store.link(purpose, digest, at(seconds)) is False
                with pytest.raises(NotFound):
                    await store.use_link(purpose, digest, "eva", "hash", at(seconds))
            with pytest.raises(InvalidInput):
                await store.use_link("setup", "s1", "", "hash", at(1))
            made = await store.use_link("setup", "s1", "Eva", "hash", at(1))
            assert (made.name, made.role, made.has_password) == ("Eva", "admin", True)
            assert (await store.user("eva"))[1] == "hash"
            for digest in ("s1", "s2"):
                assert await store.link("setup", digest, at(1)) is False
                with pytest.raises(NotFound):
                    await store.use_link("setup", digest, "udo", "hash", at(1))
            with pytest.raises(Conflict):
                await store.add_link("setup", "s9", None, at(2), at(HOUR))
            assert [one.name for one in await store.users()] == ["Eva"]

    async def test_a_link_to_set_up_is_worthless_where_an_admin_was_made_otherwise(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            await user(store, "udo")
            await store.add_link("setup", "s1", None, at(0), at(HOUR))
            with pytest.raises(Conflict):
                await store.use_link("setup", "s1", "UDO", "hash", at(1))
            await admin(store)
            assert await store.link("setup", "s1", at(1)) is False
            with pytest.raises(Conflict):
                await store.use_link("setup", "s1", "anna", "hash", at(1))

    async def test_of_two_links_to_set_up_that_are_used_at_once_one_makes_an_admin(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            for digest in ("s1", "s2"):
                await store.add_link("setup", digest, None, at(0), at(HOUR))
            works = [
                store.use_link("setup", digest, name, "hash", at(1)) for digest, name in (("s1", "a"), ("s2", "b"))
            ]
            assert await outcomes(*works) == ["NotFound", "done"]
            assert len(await store.users()) == 1

    async def test_a_link_sets_a_password_once_and_ends_sessions(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            eva = await admin(store)
            await logged_in(store, eva, "d1")
            await store.add_link("password", "l0", eva.id, at(0), at(HOUR))
            await store.add_link("password", "l1", eva.id, at(0), at(HOUR))
            assert await store.link("password", "l0", at(1)) is False, "a newer one replaces it"
            assert (await store.link("password", "l1", at(1))).name == "eva"
            works = [store.use_link("password", "l1", "", f"hash {number}", at(1)) for number in (1, 2)]
            assert await outcomes(*works) == ["NotFound", "done"]
            assert (await store.user("eva"))[1] in ("hash 1", "hash 2")
            assert await store.session("d1", at(2)) is None
            with pytest.raises(NotFound):
                await store.add_link("password", "l9", 99, at(2), at(HOUR))

    # -- keys

    async def test_an_api_key_may_read_unless_it_may_write(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            eva = await admin(store)
            await store.order("pump", Watch(), keep, at(0))
            reads = await store.add_key("api", "k1", "lsa_", at(0))
            writes = await store.add_key("api", "k2", "lsa_", at(0), may="write", user_id=eva.id)
            other = await store.add_key("fleet", "k3", "lsf_", at(0))
            assert [(key.may, key.user_id) for key in (reads, writes, other)] == [
                ("read", None),
                ("write", eva.id),
                (None, None),
            ]
            assert [(key.id, key.may) for key in await store.keys()] == [
                (reads.id, "read"),
                (writes.id, "write"),
                (other.id, None),
            ]
            pump = await standing(store, "pump")
            await store.add_key("machine", "k4", "lsm_", at(0), machine_id=pump.machine.id)
            assert len(await store.keys()) == 4
            assert [key.id for key in await store.keys(machines=False)] == [reads.id, writes.id, other.id]
            assert [key.id for key in await store.keys(user=eva.id)] == [writes.id]
            assert await store.keys(user=2**40) == []
            assert [key.id for key in await store.keys(after=reads.id, limit=1)] == [writes.id]
            assert await store.keys(after=2**40) == []
            for wrong in ({"may": "all"}, {"scope": "fleet", "may": "read"}):
                given = {"scope": "api", **wrong}
                with pytest.raises(InvalidInput) as caught:
                    await store.add_key(given.pop("scope"), "k9", "lsa_", at(0), **given)
                assert caught.value.field == "may"
            with pytest.raises(NotFound):
                await store.add_key("api", "k9", "lsa_", at(0), user_id=99)

    async def test_a_key_is_its_users_as_they_are_now(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            await admin(store)
            udo = await user(store, "udo", "admin")
            await store.add_key("api", "k1", "lsa_", at(0), user_id=udo.id)
            await store.add_key("api", "k2", "lsa_", at(0))
            assert (await store.find_key("k1", at(1))).user == udo
            assert (await store.find_key("k2", at(1))).user is None
            before = await store.keys_version()
            await store.change_user(udo.id, role="viewer")
            assert await store.keys_version() > before
            assert (await store.find_key("k1", at(1))).user.role == "viewer"

    async def test_when_keys_were_last_used_is_known(self) -> None:
        self.needs("people")
        async with self.opened() as store:
            first, second = [await store.add_key("api", f"k{n}", "lsa_", at(0)) for n in (1, 2)]
            await store.key_used(first.id, at(5))
            before = await store.keys_version()
            await store.keys_used({second.id: at(60), first.id: at(70), 99: at(80)})
            await store.keys_used({first.id: at(65)})
            keys = {key.id: (key.first_used_at, key.last_used_at) for key in await store.keys()}
            assert keys == {first.id: (at(5), at(70)), second.id: (None, at(60))}
            assert await store.keys_version() == before, "nobody need look at keys again for that"

    async def test_when_keys_of_machines_were_last_used_is_known(self) -> None:
        """Many at once, in any order, with some that are gone."""
        self.needs("people")
        async with self.opened() as store:
            (pump,) = await declare(store, "pump")
            for n in range(30):
                scope = ("machine", "ping", "push")[n % 3]
                await store.add_key(scope, f"k{n}", "", at(0), machine_id=pump.machine.id)
            ids = [key.id for key in await store.keys()]
            await store.keys_used({number: at(number) for number in reversed([*ids, *range(10**6, 10**6 + 30)])})
            assert [key.last_used_at for key in await store.keys()] == [at(number) for number in ids]
            assert all(key.first_used_at is None for key in await store.keys())
