"""What a store does that can look back: what happened to a machine, who was told, and which keys were refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from lastseen.errors import UnknownChannel, UnknownMachine
from lastseen.model import Beat, Disable, NotificationState
from lastseen.model.story import RefusedCount, RefusedFor, Which
from lastseen.testing.script import at, by_rule, keep
from lastseen.testing.suite_base import StoreSuiteBase, declare, offline, online
from lastseen.testing.suite_outbox import done, take

DAY = 86_400
GIVEN_UP = 200 + 76 * 3600
"""Seconds after which what was told of at 200 s is given up."""


def refused(digest: str | None, seconds: float, count: int = 1, disabled: bool = False) -> RefusedCount:
    hour: datetime = at(seconds).replace(minute=0, second=0, microsecond=0)
    return RefusedCount(digest, hour, count, at(seconds), at(seconds), disabled, "192.0.2.7")


class AccountSuite(StoreSuiteBase):
    # -- what happened

    async def test_an_incident_is_told_with_who_heard_of_it(self) -> None:
        self.needs("accounts")
        async with self.opened() as store:
            ops, pager = await self.channels(store)
            (event,) = await offline(store, "pump", channels=[ops, pager])
            (attempt,) = await take(store, [ops], 201)
            assert await done(store, attempt, [ops], 201)
            facts = await store.account("pump", at(210), at(210), at(210))
            assert (facts.incident, facts.start, facts.end) == (event.uid, at(0), None)
            assert [one.uid for one in facts.events] == [event.uid]
            assert [one.started_at for one in facts.outages] == [at(0)]
            assert sorted(one.state for one in facts.told) == ["delivered", "pending"]
            assert {one.event for one in facts.told} == {event.uid}

    async def test_an_incident_is_found_by_any_moment_of_its_outage(self) -> None:
        self.needs("accounts")
        async with self.opened() as store:
            (event,) = await offline(store, "pump")
            await store.record([Beat("pump", at(300))], at(300))
            (back,) = await store.settle(by_rule(), at(300))
            for moment in (10, 200, 299, 300):
                facts = await store.account("pump", at(moment), at(moment), at(400))
                assert (facts.incident, facts.end) == (event.uid, at(300)), moment
                assert [one.uid for one in facts.events] == [event.uid, back.uid]

    async def test_a_quiet_time_says_what_was_before_and_after_it(self) -> None:
        self.needs("accounts")
        async with self.opened() as store:
            await offline(store, "pump")
            await store.record([Beat("pump", at(300))], at(300))
            (back,) = await store.settle(by_rule(), at(300))
            await store.record([Beat("pump", at(1000))], at(1000))
            (gone,) = await store.settle(by_rule(), at(2000))
            facts = await store.account("pump", at(500), at(559), at(3000))
            assert (facts.incident, facts.start, facts.end) == (None, at(300), at(2000))
            assert (facts.before.uid, facts.after.uid) == (back.uid, gone.uid)

    async def test_what_happens_to_others_is_left_out(self) -> None:
        self.needs("accounts")
        async with self.opened() as store:
            await online(store, "fan", "pump")
            await store.record([Beat("fan", at(150))], at(150))
            assert len(await store.settle(by_rule(), at(200))) == 1
            facts = await store.account("fan", at(30), at(30), at(30))
            assert facts.incident is None
            assert facts.standing.machine.slug == "fan"
            assert {event.machine for event in facts.events} <= {"fan"}

    async def test_a_machine_that_never_reported_has_an_account(self) -> None:
        self.needs("accounts")
        async with self.opened() as store:
            await declare(store, "pump")
            facts = await store.account("pump", at(60), at(60), at(60))
            assert (facts.incident, facts.events, facts.told, facts.before) == (None, (), (), None)

    async def test_nobody_asks_of_a_machine_that_is_not_there(self) -> None:
        self.needs("accounts")
        async with self.opened() as store:
            with pytest.raises(UnknownMachine):
                await store.account("ghost", at(0), at(0), at(0))

    # -- which keys were refused

    async def test_unknown_keys_are_counted_together(self) -> None:
        self.needs("refusals")
        async with self.opened() as store:
            assert (await store.unknown_keys(at(0))).count == 0
            await store.keep_refusals([refused("00" * 32, 10), refused(None, 20, 4)], at(20))
            await store.keep_refusals([refused("00" * 32, 30)], at(30))
            found = await store.unknown_keys(at(0))
            assert (found.count, found.last_at, found.address) == (6, at(30), "192.0.2.7")
            assert await store.refused_keys(at(0)) == []
            assert (await store.unknown_keys(at(DAY))).count == 0

    async def test_unknown_keys_of_long_ago_are_forgotten(self) -> None:
        self.needs("refusals")
        async with self.opened() as store:
            for day in range(5):
                await store.keep_refusals([refused(None, day * DAY + hour * 3600) for hour in range(24)], at(day * DAY))
            assert (await store.unknown_keys(at(0))).count == 48

    async def test_known_keys_are_counted_by_reason(self) -> None:
        self.needs("refusals")
        self.needs("keys")
        async with self.opened() as store:
            pump, fan = await declare(store, "pump", "fan")
            old = await store.add_key("machine", "aa" * 32, "lsm_old", at(0), machine_id=pump.machine.id)
            await store.add_key("fleet", "bb" * 32, "lsf_x", at(0), label="site", expires_at=at(50))
            await store.add_key("machine", "cc" * 32, "lsm_fan", at(0), machine_id=fan.machine.id)
            await store.revoke_key(old.id, at(40))
            await store.order("fan", Disable(), keep, at(40))
            counted = [refused("aa" * 32, 60, 2), refused("bb" * 32, 61), refused("cc" * 32, 62, disabled=True)]
            await store.keep_refusals(counted, at(62))
            await store.keep_refusals([refused("aa" * 32, 63)], at(63))
            found = {one.hint: one for one in await store.refused_keys(at(0))}
            assert {hint: one.reason for hint, one in found.items()} == {
                "lsm_old": RefusedFor.REVOKED,
                "lsf_x": RefusedFor.EXPIRED,
                "lsm_fan": RefusedFor.DISABLED,
            }
            assert (found["lsm_old"].count, found["lsm_old"].machine, found["lsm_old"].ended_at) == (3, "pump", at(40))
            assert (found["lsm_old"].first_at, found["lsm_old"].last_at) == (at(60), at(63))
            assert (found["lsf_x"].machine, found["lsf_x"].label, found["lsf_x"].ended_at) == (None, "site", at(50))
            assert (await store.unknown_keys(at(0))).count == 0

    async def test_a_key_that_is_valid_now_was_not_known_then(self) -> None:
        self.needs("refusals")
        self.needs("keys")
        async with self.opened() as store:
            (pump,) = await declare(store, "pump")
            await store.add_key("machine", "aa" * 32, "lsm_a", at(0), machine_id=pump.machine.id)
            await store.keep_refusals([refused("aa" * 32, 10)], at(10))
            assert await store.refused_keys(at(0)) == []
            assert (await store.unknown_keys(at(0))).count == 1

    async def test_counts_of_refused_keys_go_after_a_month(self) -> None:
        self.needs("refusals")
        self.needs("keys")
        async with self.opened() as store:
            (pump,) = await declare(store, "pump")
            key = await store.add_key("machine", "aa" * 32, "lsm_a", at(0), machine_id=pump.machine.id)
            await store.revoke_key(key.id, at(1))
            await store.keep_refusals([refused("aa" * 32, 10)], at(10))
            await store.keep_refusals([refused("aa" * 32, 31 * DAY)], at(31 * DAY))
            (found,) = await store.refused_keys(at(0))
            assert (found.count, found.first_at) == (1, at(31 * DAY))

    async def test_the_account_of_a_machine_names_its_refused_key(self) -> None:
        self.needs("accounts")
        self.needs("refusals")
        self.needs("keys")
        async with self.opened() as store:
            pump, fan = await online(store, "pump", "fan")
            old = await store.add_key("machine", "aa" * 32, "lsm_old", at(0), machine_id=pump.machine.id)
            other = await store.add_key("machine", "bb" * 32, "lsm_fan", at(0), machine_id=fan.machine.id)
            new = await store.add_key("machine", "cc" * 32, "lsm_new", at(5), machine_id=pump.machine.id, replaces=True)
            await store.key_used(new.id, at(20))
            await store.revoke_key(other.id, at(20))
            await store.keep_refusals([refused("aa" * 32, 30, 7), refused("bb" * 32, 30)], at(30))
            (one,) = (await store.account("pump", at(40), at(40), at(40))).refused
            assert (one.key_id, one.count, one.replaced, one.ended_at) == (old.id, 7, True, at(20))
            (one,) = (await store.account("fan", at(40), at(40), at(40))).refused
            assert (one.key_id, one.replaced) == (other.id, False)

    # -- what was given up

    async def test_what_was_given_up_is_told_again_once_however_often_it_is_asked_for(self) -> None:
        self.needs("replays")
        self.needs("channels")
        async with self.opened() as store:
            ops, _ = await self.given_up(store)
            (fan, pump) = await store.told(Which(channel="ops"), NotificationState.DEAD)
            assert (fan["machine"], pump["machine"], pump["channel"]) == ("fan", "pump", "ops")
            found = await store.given_up(Which(channel="ops"))
            assert (found.count, found.again, found.off) == (2, 0, 0)
            assert [one["machine"] for one in found.rows] == ["pump", "fan"]
            made = await store.replay_dead(Which(channel="ops"), at(GIVEN_UP + 60))
            assert [(one["machine"], one["cause"], one["state"]) for one in made] == [
                ("pump", "replay", "pending"),
                ("fan", "replay", "pending"),
            ]
            assert await store.replay_dead(Which(channel="ops"), at(GIVEN_UP + 61)) == []
            found = await store.given_up(Which(channel="ops"))
            assert (found.count, found.again) == (0, 2)
            for attempt in await take(store, [ops], GIVEN_UP + 70):
                await done(store, attempt, [ops], GIVEN_UP + 70)
            assert await store.replay_dead(Which(channel="ops"), at(GIVEN_UP + 71)) == []

    async def test_what_was_given_up_twice_is_told_again_once(self) -> None:
        self.needs("replays")
        self.needs("channels")
        async with self.opened() as store:
            await self.given_up(store)
            await store.replay_dead(Which(), at(GIVEN_UP))
            await store.tidy(at(GIVEN_UP + 77 * 3600))
            assert (await store.given_up(Which())).count == 4
            assert len(await store.replay_dead(Which(), at(GIVEN_UP + 78 * 3600))) == 4

    async def test_what_was_given_up_is_found_by_machine_and_time(self) -> None:
        self.needs("replays")
        self.needs("channels")
        async with self.opened() as store:
            await self.given_up(store)
            first, *_ = (await store.given_up(Which())).rows
            found = {
                "ids": await store.given_up(Which(ids=(first["id"], first["id"] + 1000))),
                "none": await store.given_up(Which(ids=())),
                "machine": await store.given_up(Which(machine="fan")),
                "since": await store.given_up(Which(since=at(GIVEN_UP))),
                "later": await store.given_up(Which(since=at(GIVEN_UP + 1))),
                "both": await store.given_up(Which(channel="pager", machine="fan")),
            }
            expected = {"ids": 1, "none": 0, "machine": 2, "since": 4, "later": 0, "both": 1}
            assert {name: one.count for name, one in found.items()} == expected
            with pytest.raises(UnknownChannel):
                await store.given_up(Which(channel="nobody"))
            with pytest.raises(UnknownMachine):
                await store.given_up(Which(machine="ghost"))

    async def test_what_a_channel_that_is_off_was_not_told_is_left_out_with_its_count(self) -> None:
        self.needs("replays")
        self.needs("channels")
        async with self.opened() as store:
            ops, _ = await self.given_up(store)
            await store.switch_channel(ops, False, None, at(GIVEN_UP))
            found = await store.given_up(Which())
            assert (found.count, found.off) == (2, 2)
            assert {one["channel"] for one in await store.replay_dead(Which(), at(GIVEN_UP))} == {"pager"}

    async def test_a_replay_by_hand_that_waits_is_not_made_twice(self) -> None:
        self.needs("replays")
        self.needs("channels")
        async with self.opened() as store:
            await self.given_up(store)
            first, *_ = (await store.given_up(Which())).rows
            made = await store.replay(first["id"], at(GIVEN_UP))
            assert await store.replay(first["id"], at(GIVEN_UP + 1)) == made

    async def given_up(self, store: Any) -> Sequence[str]:
        """Four notifications that are dead: of two machines, for two channels."""
        channels = await self.channels(store)
        await online(store, "pump", "fan")
        assert len(await store.settle(by_rule(channels), at(200))) == 2
        assert await store.tidy(at(GIVEN_UP)) == 4
        return channels
