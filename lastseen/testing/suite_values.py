"""What no store can have or keep is answered alike by all: an id that nobody can have is nobody's, a text that not
every database holds is refused by the name of its field; one that a far end said is kept as far as it can be."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from lastseen.errors import InvalidInput, NotFound, UnknownMachine
from lastseen.model import Beat, Delivered, Kind, Matcher, Pause, Retry, Silence, Watch
from lastseen.model.insight import Stranger
from lastseen.testing.script import admit_all, again, at, delivered, keep, lease
from lastseen.testing.suite_base import StoreSuiteBase, offline, online
from lastseen.testing.suite_outbox import take

NOBODYS = (0, -1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**80, -(2**31) - 1, -(2**63) - 1)
"""Ids of nobody: none, below all, the greatest of 32 bits, of 64 bits, and beyond."""

UNFIT = ("a\0b", "a\ud800b")
"""NUL, and half of a surrogate pair."""


class ValuesSuite(StoreSuiteBase):
    # -- ids

    @pytest.mark.parametrize("number", NOBODYS)
    async def test_a_machine_by_an_id_that_nobody_has_is_unknown(self, number: int) -> None:
        async with self.opened() as store:
            await online(store, "pump")
            assert await store.liveness([number, "pump"]) == await store.liveness(["pump"])
            recorded = await store.record([Beat(number, at(5)), Beat("pump", at(5))], at(5))
            assert recorded.unknown == {number}
            assert (await store.liveness(["pump"]))["pump"].liveness.last_seen == at(5), "the others are heard"
            with pytest.raises(UnknownMachine):
                await store.order(number, Pause(), keep, at(6))
            if "accounts" in self.capabilities:
                with pytest.raises(UnknownMachine):
                    await store.account(number, at(0), at(6), at(6))

    @pytest.mark.parametrize("number", NOBODYS)
    async def test_a_key_by_an_id_that_nobody_has_is_not_found(self, number: int) -> None:
        self.needs("keys")
        async with self.opened() as store:
            with pytest.raises(NotFound):
                await store.revoke_key(number, at(1))
            with pytest.raises(UnknownMachine):
                await store.add_key("machine", _digest("k"), "lsm_k", at(1), machine_id=number)
            await store.key_used(number, at(1))
            await store.keys_used({number: at(1)})
            await store.revoke_addresses(number, at(1), keep=[number])
            assert await store.shown_keys([number]) == []

    @pytest.mark.parametrize("number", NOBODYS)
    async def test_a_silence_or_an_invite_by_an_id_that_nobody_has_is_not_found(self, number: int) -> None:
        self.needs("wishes")
        async with self.opened() as store:
            with pytest.raises(NotFound):
                await store.end_silence(number, at(1))
            assert await store.invite(number) is None

    @pytest.mark.parametrize("number", NOBODYS)
    async def test_a_notification_or_a_history_by_an_id_that_nobody_has_is_not_found(self, number: int) -> None:
        self.needs("history")
        async with self.opened() as store:
            with pytest.raises(NotFound):
                await store.replay(number, at(1))
            with pytest.raises(UnknownMachine):
                await store.events(number)

    @pytest.mark.parametrize("number", NOBODYS)
    async def test_pages_begin_behind_any_number(self, number: int) -> None:
        self.needs("catalog")
        async with self.opened() as store:
            await online(store, "pump")
            assert len(await store.machines(after=number)) == (number <= 0)

    async def test_a_limit_may_be_great_and_not_negative(self) -> None:
        self.needs("history")
        async with self.opened() as store:
            await offline(store, "pump")
            assert len(await store.events("pump", limit=2**80)) >= 1
            assert await store.events("pump", limit=0) == []
            for ask in (store.events, store.notifications, store.machines):
                with pytest.raises(InvalidInput, match="limit: must not be negative"):
                    await ask(limit=-1)

    # -- texts that people give

    @pytest.mark.parametrize("text", UNFIT)
    @pytest.mark.parametrize("field", ["name", "hostname", "description", "group", "kind", "tags"])
    async def test_a_word_about_a_machine_that_cannot_be_kept_is_refused_by_its_field(
        self, field: str, text: str
    ) -> None:
        async with self.opened() as store:
            await online(store, "pump")
            before = await store.liveness(["pump"])
            with pytest.raises(InvalidInput, match=f"^{field}: must not hold"):
                await store.order("pump", Watch({field: (text,) if field == "tags" else text}), keep, at(1))
            assert await store.liveness(["pump"]) == before

    @pytest.mark.parametrize("text", UNFIT)
    async def test_a_slug_that_cannot_be_kept_is_refused_and_nobodys(self, text: str) -> None:
        async with self.opened() as store:
            with pytest.raises(InvalidInput, match=r"^slug"):
                await store.order(text, Watch(), keep, at(1))
            with pytest.raises(UnknownMachine):
                await store.order(text, Pause(), keep, at(1))
            assert await store.liveness([text]) == {}
            assert (await store.record([Beat(text, at(1))], at(1))).unknown == {text}

    @pytest.mark.parametrize("text", UNFIT)
    async def test_names_that_cannot_be_kept_are_refused(self, text: str) -> None:
        for capability in ("channels", "catalog", "keys", "wishes", "ways"):
            self.needs(capability)
        async with self.opened() as store:
            by_field: list[tuple[str, Any]] = [
                ("label", store.add_key("api", _digest("k"), "lsa_k", at(1), label=text)),
                ("created_by", store.add_silence(Silence("s", at(0), at(9), created_by=text), at(1))),
                ("names", store.add_silence(Silence("s", at(0), at(9), Matcher(names=(text,))), at(1))),
                ("name", store.add_silence(Silence(text, at(0), at(9)), at(1))),
                ("name", store.add_channel("webhook", text, {}, {}, "l", at(1))),
                ("name", store.code_channel(text, "l", at(1))),
                ("name", store.add_source("mqtt", text, {}, {}, at(1))),
                ("name", store.set_kind(Kind(text, timedelta(minutes=1), None), at(1))),
                ("name", store.add_invite(_digest("c"), text, {}, at(9), at(1))),
            ]
            for field, call in by_field:
                with pytest.raises(InvalidInput, match=f"^{field}: must not hold"):
                    await call
            assert (await store.channels(), await store.silences(at(1)), await store.keys()) == ([], [], [])

    # -- what others say

    @pytest.mark.parametrize("text", UNFIT)
    async def test_what_a_stranger_said_is_kept_as_far_as_it_can_be(self, text: str) -> None:
        self.needs("ways")
        async with self.opened() as store:
            source = await store.add_source("mqtt", "broker", {}, {}, at(0))
            await store.keep_strangers(source.id, [Stranger("unknown", text, 3, at(0), at(1), text)])
            (health,) = [one for one in (await store.checkup(at(2))).sources if one.strangers]
            (kept,) = health.strangers
            assert (kept.name, kept.detail) == ("a\ufffdb", "a\ufffdb")

    @pytest.mark.parametrize("text", UNFIT)
    @pytest.mark.parametrize("said", ["receipt", "reason"])
    async def test_what_a_far_end_said_is_kept_as_far_as_it_can_be(self, said: str, text: str) -> None:
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            (attempt,) = await take(store, [ops], 200)
            if said == "receipt":
                assert await store.finish(lease([ops]), attempt, Delivered(text), delivered, at(201))
                assert await take(store, [ops], 202) == []
            else:
                assert await store.finish(lease([ops]), attempt, Retry(text), again(at(202)), at(201))
                (next_one,) = await store.take(lease([ops]), admit_all(), at(203), 10)
                assert next_one.id != attempt.id


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
