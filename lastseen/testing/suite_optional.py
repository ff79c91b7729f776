"""What a store does that has optional protocols: leases, sources, channels, catalog, keys, history."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from lastseen.durations import NEVER
from lastseen.errors import Conflict, InvalidInput, NotFound
from lastseen.model import (
    BlindPeriod,
    BlindReason,
    Case,
    Disable,
    Forget,
    Kind,
    NotificationState,
    Status,
    Verdict,
    Watch,
    replace,
)
from lastseen.testing.script import admit_all, again, at, by_rule, delivered, keep, lease, move
from lastseen.testing.suite_base import StoreSuiteBase, declare, offline, online, standing
from lastseen.testing.suite_outbox import BUSY, DONE, done, take, uids

EXPIRED = "expired: it could not be delivered in time"
SPAN = timedelta(seconds=30)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class OptionalSuite(StoreSuiteBase):
    # -- leases

    async def test_a_lease_has_one_owner_and_a_token_that_only_grows(self) -> None:
        self.needs("leases")
        async with self.opened() as store:
            first = await store.lease("lane", "a", SPAN, at(0))
            assert (first.owner, first.until) == ("a", at(30))
            assert await store.lease("lane", "b", SPAN, at(29)) is None
            own = await store.lease("lane", "a", SPAN, at(29))
            assert own.token > first.token
            assert await store.renew(first, SPAN, at(29)) is None, "an older token is lost"
            renewed = await store.renew(own, SPAN, at(40))
            assert (renewed.token, renewed.until) == (own.token, at(70))
            taken = await store.lease("lane", "b", SPAN, at(71))
            assert taken.token > own.token
            assert await store.renew(own, SPAN, at(72)) is None
            await store.release(taken, at(72))
            free = await store.lease("lane", "a", SPAN, at(72))
            assert free.token > taken.token

    async def test_a_lost_lease_takes_nothing(self) -> None:
        self.needs("leases")
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            old = await store.lease("lane", "a", SPAN, at(200))
            await store.lease("lane", "b", SPAN, at(231))
            stale = lease([ops], old.token)
            assert await store.take(stale, admit_all(), at(232), 10) == []

    # -- upkeep

    async def test_what_nobody_speaks_for_expires_too(self) -> None:
        self.needs("upkeep")
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            assert await store.tidy(at(200 + 75 * 3600)) == 0
            assert await store.next_due() == at(200)
            assert await store.tidy(at(200 + 76 * 3600)) == 1
            assert await store.next_due() is None
            assert await store.tidy(at(200 + 76 * 3600)) == 0

    async def test_the_newest_token_of_what_is_being_sent_is_known(self) -> None:
        self.needs("upkeep")
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            assert await store.newest_token() == 0
            await offline(store, "pump", channels=[ops])
            (attempt,) = await take(store, [ops], 200, token=77)
            assert await store.newest_token() == 77
            assert await done(store, attempt, [ops], 201, token=77)
            assert await store.newest_token() == 0

    @pytest.mark.parametrize("switched_off", [True, False])
    async def test_what_was_being_sent_ends_when_its_lease_is_over_and_nobody_takes_it_up(
        self, switched_off: bool
    ) -> None:
        for capability in ("upkeep", "channels", "leases", "history"):
            self.needs(capability)
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            lane = replace(await store.lease("channel:ops", "a", SPAN, at(200)), channels=frozenset([ops]))
            (attempt,) = await store.take(lane, admit_all(), at(200), 10)
            end = 231.0 if switched_off else 200 + 76 * 3600.0
            if switched_off:
                await store.switch_channel(ops, False, "holidays", at(201))
                assert await store.tidy(at(229)) == 0, "whoever sends it may still write what became of it"
            else:
                assert await store.tidy(at(231)) == 0, "somebody may take it up"
            assert await store.tidy(at(end)) == 1
            (row,) = await store.notifications()
            ended = ("cancelled", "channel disabled: holidays") if switched_off else ("dead", EXPIRED)
            assert (row["state"], row["reason"]) == ended
            assert not await store.finish(lane, attempt, DONE, delivered, at(end + 1)), "too late"
            assert await store.tidy(at(end + 2)) == 0

    # -- sources

    async def test_marks_tell_until_when_anybody_listened(self) -> None:
        self.needs("sources")
        async with self.opened() as store:
            assert await store.newest_mark() is None
            source, before = await store.listen("http", "node-1", at(0))
            assert (source, before) == (0, None)
            await store.mark(source, "node-1", at(50))
            assert await store.newest_mark() == at(50)
            assert await store.listen("http", "node-2", at(60)) == (0, at(50))
            await store.leave(source, "node-1", at(61))

    async def test_a_source_that_was_removed_is_not_made_again_by_who_was_about_to_listen(self) -> None:
        self.needs("sources")
        async with self.opened() as store:
            for name in ("house", "house/attic"):
                with pytest.raises(NotFound):
                    await store.listen(name, "n", at(0), of="house")
            whole, _ = await store.listen("house", "n", at(1))
            part, _ = await store.listen("house/attic", "n", at(2), of="house")
            assert await store.listen("house", "m", at(3), of="house") == (whole, at(1))
            assert len({0, whole, part}) == 3

    async def test_blind_periods_reach_the_decision(self) -> None:
        self.needs("sources")
        seen: list[Case] = []

        def decide(case: Case) -> Verdict:
            seen.append(case)
            return keep(case)

        async with self.opened() as store:
            await online(store, "pump")
            source, _ = await store.listen("http", "n", at(0))
            period = BlindPeriod(source, at(20), at(90), BlindReason.STALLED)
            await store.mark(source, "n", at(90), [period])
            await store.mark(source, "n", at(91), [period])
            await store.settle(decide, at(200))
            assert seen[0].blind == (period,)

    # -- channels

    async def test_a_channel_given_in_code_is_the_same_row_every_time(self) -> None:
        self.needs("channels")
        async with self.opened() as store:
            first = await store.code_channel("ops", "lane-1", at(0))
            again_ = await store.code_channel("ops", "lane-2", at(1))
            assert (again_.uid, again_.id, again_.type) == (first.uid, first.id, "code")
            assert [c.name for c in await store.channels()] == ["ops"]

    async def test_secrets_are_kept_apart(self) -> None:
        self.needs("channels")
        async with self.opened() as store:
            made = await store.add_channel("webhook", "w", {"url": "http://x"}, {"secret": "s3cret"}, "l", at(0))
            assert "s3cret" not in repr(made)
            assert dict(made.config) == {"url": "http://x"}
            assert await store.channel_secrets(made.uid) == {"secret": "s3cret"}
            with pytest.raises(Conflict):
                await store.add_channel("webhook", "w", {}, {}, "l", at(0))

    async def test_a_change_of_config_or_secrets_is_seen_by_the_version(self) -> None:
        self.needs("channels")
        async with self.opened() as store:
            made = await store.add_channel("webhook", "w", {"url": "http://x"}, {"secret": "old-one"}, "l", at(0))
            changed = await store.change_channel(made.uid, {"until": "later"}, at(1))
            assert dict(changed.config) == {"url": "http://x", "until": "later"}
            assert await store.channel_secrets(made.uid) == {"secret": "old-one"}
            rotated = await store.change_channel(made.uid, {}, at(2), {"secret": "new-one"})
            assert await store.channel_secrets(made.uid) == {"secret": "new-one"}
            assert made.version < changed.version < rotated.version

    async def test_switching_a_channel_off_cancels_what_waits(self) -> None:
        self.needs("channels")
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            off = await store.switch_channel(ops, False, "holidays", at(201))
            assert (off.enabled, off.disabled_by, off.disabled_reason) == (False, "person", "holidays")
            assert await take(store, [ops], 202) == []
            on = await store.switch_channel(ops, True, None, at(203))
            assert (on.enabled, on.disabled_by) == (True, None)
            assert await take(store, [ops], 204) == []
            assert on.version > off.version

    async def test_a_removed_channel_is_gone_and_its_name_is_free(self) -> None:
        self.needs("channels")
        async with self.opened() as store:
            first = await store.add_channel("webhook", "w", {}, {}, "l", at(0))
            await store.remove_channel(first.uid, at(1))
            assert await store.channels() == []
            second = await store.add_channel("webhook", "w", {}, {}, "l", at(2))
            assert second.uid != first.uid

    async def test_channels_are_shown_to_the_decision(self) -> None:
        self.needs("channels")
        seen: list[Case] = []

        def decide(case: Case) -> Verdict:
            seen.append(case)
            return keep(case)

        async with self.opened() as store:
            ops, pager = await self.channels(store)
            await store.switch_channel(pager, False, None, at(0))
            await online(store, "pump")
            await store.settle(decide, at(200))
            assert {c.uid: c.enabled for c in seen[0].channels} == {ops: True, pager: False}

    async def test_a_channel_is_called_otherwise_and_given_to_somebody_and_keeps_what_it_was_told(self) -> None:
        for capability in ("channels", "people", "history"):
            self.needs(capability)
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            before = await store.notifications()
            ada = (await store.add_user("ada", "member", None, at(0))).id
            named = await store.rename_channel(ops, "Ops team", at(300))
            assert (named.uid, named.name) == (ops, "Ops team")
            given = await store.give_channel(ops, ada, at(301))
            assert (given.name, given.owner_id, given.version) == ("Ops team", ada, named.version + 1)
            assert (await store.give_channel(ops, None, at(302))).owner_id is None
            assert await store.notifications() == before
            for wrong, error in (("pager", Conflict), (" ", InvalidInput), ("\0", InvalidInput)):
                with pytest.raises(error):
                    await store.rename_channel(ops, wrong, at(303))
            assert (await store.rename_channel(ops, "Ops team", at(304))).name == "Ops team"

    # -- catalog

    async def test_kinds_can_be_set_and_their_machines_are_looked_at_again(self) -> None:
        self.needs("catalog")
        async with self.opened() as store:
            assert {"default", "server", "device", "job"} <= {k.name for k in await store.kinds()}
            await online(store, "pump", "lamp")
            await store.order("pump", Watch({"kind": "server"}), lambda case: keep(case, at(120)), at(1))
            kind = Kind("server", timedelta(minutes=9), None)
            assert await store.set_kind(kind, at(2)) == kind
            assert (await standing(store, "pump")).kind == kind
            assert await store.next_check() == at(2)
            assert (await standing(store, "lamp")).liveness.check_at == at(120)
            await store.set_kind(Kind("fridge", NEVER, None), at(3))
            assert Kind("fridge", NEVER, None) in await store.kinds()

    async def test_a_kind_that_no_machine_is_of_can_be_removed(self) -> None:
        self.needs("catalog")
        async with self.opened() as store:
            await online(store, "pump", "lamp")
            await store.set_kind(Kind("fridge", NEVER, None), at(0))
            for slug in ("pump", "lamp"):
                await store.order(slug, Watch({"kind": "fridge"}), lambda case: keep(case, at(120)), at(1))
            for name in ("fridge", "default", "job"):
                with pytest.raises(Conflict):
                    await store.remove_kind(name)
            await store.order("pump", Watch({"kind": "server"}), lambda case: keep(case, at(120)), at(2))
            await store.order("lamp", Forget(), lambda case: replace(keep(case), removed=True), at(2))
            await store.remove_kind("fridge")
            assert "fridge" not in {kind.name for kind in await store.kinds()}
            for name in ("fridge", "nonsense"):
                with pytest.raises(NotFound):
                    await store.remove_kind(name)

    async def test_another_default_threshold_makes_it_look_again(self) -> None:
        self.needs("catalog")
        async with self.opened() as store:
            await store.default_threshold(timedelta(minutes=2), at(0))
            await online(store, "pump")
            await store.default_threshold(timedelta(minutes=2), at(1))
            assert await store.next_check() == at(120)
            await store.default_threshold(timedelta(minutes=1), at(2))
            assert await store.next_check() == at(2)

    async def test_machines_are_listed_by_id_in_pages(self) -> None:
        self.needs("catalog")
        async with self.opened() as store:
            known = await declare(store, "a", "b", "c")
            first = await store.machines(limit=2)
            assert [s.machine.slug for s in first] == ["a", "b"]
            rest = await store.machines(after=first[-1].machine.id, limit=2)
            assert [s.machine.id for s in rest] == [known[2].machine.id]

    # -- keys

    async def test_a_key_is_found_until_it_is_revoked_or_expires(self) -> None:
        self.needs("keys")
        async with self.opened() as store:
            (pump,) = await declare(store, "pump")
            key = await store.add_key("machine", digest("k1"), "lsm_abc", at(0), machine_id=pump.machine.id)
            found = await store.find_key(digest("k1"), at(1))
            assert (found.key.id, found.key.machine_id, found.enabled, found.fresh) == (
                key.id,
                pump.machine.id,
                True,
                True,
            )
            assert await store.find_key(digest("other"), at(1)) is None
            version = await store.keys_version()
            await store.revoke_key(key.id, at(2))
            assert await store.find_key(digest("k1"), at(3)) is None
            assert await store.keys_version() > version
            await store.add_key("api", digest("k2"), "lsa_abc", at(0), expires_at=at(10))
            assert await store.find_key(digest("k2"), at(9)) is not None
            assert await store.find_key(digest("k2"), at(10)) is None
            with pytest.raises(NotFound):
                await store.revoke_key(987654, at(3))

    async def test_a_rotated_key_ends_when_the_new_one_is_used(self) -> None:
        self.needs("keys")
        async with self.opened() as store:
            (pump,) = await declare(store, "pump")
            await store.add_key("machine", digest("old"), "lsm_o", at(0), machine_id=pump.machine.id)
            new = await store.add_key(
                "machine", digest("new"), "lsm_n", at(5), machine_id=pump.machine.id, replaces=True
            )
            assert await store.find_key(digest("old"), at(6)) is not None
            assert await store.find_key(digest("old"), at(5) + timedelta(days=7)) is None
            await store.key_used(new.id, at(10))
            assert await store.find_key(digest("old"), at(11)) is None
            assert not (await store.find_key(digest("new"), at(11))).fresh

    async def test_a_disabled_machine_is_seen_through_its_key(self) -> None:
        self.needs("keys")
        async with self.opened() as store:
            (pump,) = await declare(store, "pump")
            await store.add_key("machine", digest("k"), "lsm_k", at(0), machine_id=pump.machine.id)
            version = await store.keys_version()
            await store.order("pump", Disable(), lambda case: move(case, Status.PAUSED), at(1))
            assert await store.keys_version() > version
            assert not (await store.find_key(digest("k"), at(2))).enabled

    # -- history

    async def test_events_and_notifications_can_be_read_back(self) -> None:
        self.needs("history")
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            (event,) = await offline(store, "pump", channels=[ops])
            newest = (await store.events("pump"))[0]
            assert (newest["uid"], newest["type"], newest["machine"]) == (event.uid, "machine.offline", "pump")
            assert newest["at"] == "2026-03-01T12:03:20Z"
            assert await store.events("pump", "machine.removed") == []
            (row,) = await store.notifications(NotificationState.PENDING)
            assert (row["event_id"], row["state"], row["attempts"]) == (newest["id"], "pending", 0)

    async def test_a_replay_is_a_new_notification_of_the_same_event(self) -> None:
        self.needs("history")
        async with self.opened() as store:
            ops, _ = await self.channels(store)
            await offline(store, "pump", channels=[ops])
            (attempt,) = await take(store, [ops], 200)
            await store.finish(lease([ops]), attempt, DONE, delivered, at(201))
            (row,) = await store.notifications()
            replayed = await store.replay(row["id"], at(300))
            assert (replayed["cause"], replayed["event_id"]) == ("replay", row["event_id"])
            (second,) = await take(store, [ops], 300)
            assert uids([second]) == [replayed["uid"]] != uids([attempt])
            with pytest.raises(NotFound):
                await store.replay(987654, at(300))

    async def test_a_channel_the_far_end_refuses_is_disabled_and_its_rows_are_dead(self) -> None:
        self.needs("history")
        async with self.opened() as store:
            ops, pager = await self.channels(store)
            await offline(store, "a", "b", channels=[ops])
            (attempt, *_) = await take(store, [ops], 200, limit=1)

            def gone(sent):  # type: ignore[no-untyped-def]
                from lastseen.model import replace

                assert [c.uid for c in sent.others] == [pager]
                rows = again(at(201))(sent).notifications
                dead = tuple(replace(r, state=NotificationState.DEAD, finished_at=at(201)) for r in rows)
                return replace(again(at(201))(sent), notifications=dead, disable="410 Gone")

            assert await store.finish(lease([ops]), attempt, BUSY, gone, at(201))
            off = next(c for c in await store.channels() if c.uid == ops)
            assert (off.enabled, off.disabled_by, off.disabled_reason) == (False, "far_end", "410 Gone")
            states = {row["state"] for row in await store.notifications()}
            assert states == {"dead"}
            assert await store.settle(by_rule(), at(202)) == []
