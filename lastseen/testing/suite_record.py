"""What a store does with what it hears."""

from __future__ import annotations

import anyio

from lastseen.model import Beat, Case, Pause, Said, Signal, Status, Verdict
from lastseen.testing.script import at, by_rule, keep, move
from lastseen.testing.suite_base import StoreSuiteBase, declare, offline, online, standing


class RecordSuite(StoreSuiteBase):
    async def test_an_empty_batch_is_no_trouble(self) -> None:
        async with self.opened() as store:
            recorded = await store.record([], at(0))
            assert recorded.unknown == frozenset()
            assert not recorded.due

    async def test_a_heartbeat_is_remembered_by_slug_and_by_id(self) -> None:
        async with self.opened() as store:
            (pump,) = await declare(store, "pump")
            await store.record([Beat("pump", at(1)), Beat(pump.machine.id, at(2))], at(2))
            assert (await standing(store, "pump")).liveness.last_seen == at(2)
            assert (await standing(store, pump.machine.id)).machine.slug == "pump"

    async def test_last_seen_never_goes_back(self) -> None:
        async with self.opened() as store:
            await online(store, "pump", seconds=50)
            await store.record([Beat("pump", at(40))], at(60))
            assert (await standing(store, "pump")).liveness.last_seen == at(50)
            await store.record([Beat("pump", at(70)), Beat("pump", at(65))], at(71))
            assert (await standing(store, "pump")).liveness.last_seen == at(70)

    async def test_unknown_machines_are_named_and_the_others_kept(self) -> None:
        async with self.opened() as store:
            await online(store, "pump")
            recorded = await store.record([Beat("nobody", at(5)), Beat("pump", at(5)), Beat(987654, at(5))], at(5))
            assert recorded.unknown == {"nobody", 987654}
            assert (await standing(store, "pump")).liveness.last_seen == at(5)

    async def test_whatever_an_unknown_machine_said_takes_no_other_down(self) -> None:
        for beat in (Beat(987654, at(5), Said.ERROR), Beat(987654, at(5), body='{"message":"x"}')):
            async with self.opened() as store:
                await online(store, "pump")
                assert (await store.record([beat, Beat("pump", at(5))], at(5))).unknown == {987654}
                assert (await standing(store, "pump")).liveness.last_seen == at(5)

    async def test_a_name_or_number_that_no_machine_can_have_takes_no_other_down(self) -> None:
        for nobody in (2**31, 2**63, 10**30, -1, "a\0b", "\ud800", "ü", "x" * 100_000):
            async with self.opened() as store:
                await online(store, "pump")
                for beat in (Beat(nobody, at(5)), Beat(nobody, at(5), Said.ERROR, body='{"message":"x"}')):
                    assert (await store.record([beat, Beat("pump", at(5))], at(5))).unknown == {nobody}
                assert (await standing(store, "pump")).liveness.last_seen == at(5)
                assert list(await store.liveness([nobody, "pump"])) == ["pump"]

    async def test_recording_never_touches_the_status(self) -> None:
        async with self.opened() as store:
            await offline(store, "gone")
            await declare(store, "new")
            await store.record([Beat("gone", at(300)), Beat("new", at(300), Said.ERROR)], at(300))
            assert (await standing(store, "gone")).liveness.status is Status.OFFLINE
            assert (await standing(store, "new")).liveness.status is Status.PROVISIONING

    async def test_a_plain_heartbeat_of_an_online_machine_moves_no_deadline(self) -> None:
        async with self.opened() as store:
            (before,) = await online(store, "pump")
            recorded = await store.record([Beat("pump", at(30))], at(30))
            assert not recorded.due
            row = (await standing(store, "pump")).liveness
            assert row.check_at == before.liveness.check_at
            assert row.back_at is None

    async def test_the_first_heartbeat_after_silence_is_a_fact_that_is_due_at_once(self) -> None:
        async with self.opened() as store:
            await offline(store, "pump")
            recorded = await store.record([Beat("pump", at(300))], at(301))
            assert recorded.due
            await store.record([Beat("pump", at(330))], at(331))
            row = (await standing(store, "pump")).liveness
            assert row.back_at == at(300)
            assert row.check_at == at(301), "it would never be decided on who speaks again before its turn"
            assert await store.next_check() == at(301)

    async def test_who_says_one_thing_after_the_other_is_due_from_the_first(self) -> None:
        async with self.opened() as store:
            await online(store, "pump")
            for second in (10, 11, 12):
                await store.record([Beat("pump", at(second), Said.ERROR)], at(second))
            row = (await standing(store, "pump")).liveness
            assert row.check_at == at(10)

    async def test_a_machine_that_was_never_heard_is_due_at_its_first_heartbeat(self) -> None:
        async with self.opened() as store:
            await declare(store, "new")
            assert await store.next_check() is None
            assert (await store.record([Beat("new", at(7))], at(7))).due
            assert (await standing(store, "new")).liveness.back_at == at(7)
            assert await store.next_check() == at(7)

    async def test_signals_reach_the_decision_in_order_and_once(self) -> None:
        seen: list[tuple[Signal, ...]] = []

        def decide(case: Case) -> Verdict:
            seen.append(case.signals)
            return keep(case)

        async with self.opened() as store:
            await online(store, "pump")
            beats = [
                Beat("pump", at(10), Said.ERROR, body='{"status":"error","message":"stuck"}'),
                Beat("pump", at(11)),
                Beat("pump", at(12), Said.OK),
                Beat("pump", at(13), Said.GOODBYE),
            ]
            assert (await store.record(beats[:2], at(12))).due
            await store.record(beats[2:], at(13))
            await store.settle(decide, at(14))
            assert [(s.said, s.at, s.message) for s in seen[0]] == [
                (Said.ERROR, at(10), "stuck"),
                (Said.OK, at(12), ""),
                (Said.GOODBYE, at(13), ""),
            ]
            await store.record([Beat("pump", at(20), Said.ERROR)], at(20))
            await store.settle(decide, at(20))
            assert [s.at for s in seen[1]] == [at(20)]

    async def test_a_goodbye_is_no_heartbeat(self) -> None:
        async with self.opened() as store:
            await online(store, "pump", seconds=5)
            await store.record([Beat("pump", at(50), Said.GOODBYE)], at(50))
            row = (await standing(store, "pump")).liveness
            assert row.last_seen == at(5)
            assert row.check_at == at(50)

    async def test_a_paused_machine_is_only_heard(self) -> None:
        async with self.opened() as store:
            await online(store, "pump")
            await store.order("pump", Pause(), lambda case: move(case, Status.PAUSED), at(10))
            recorded = await store.record([Beat("pump", at(20)), Beat("pump", at(21), Said.ERROR)], at(21))
            assert not recorded.due
            row = (await standing(store, "pump")).liveness
            assert (row.last_seen, row.back_at, row.check_at) == (at(21), None, None)
            assert await store.settle(by_rule(), at(1000)) == []

    async def test_of_a_paused_machine_the_last_word_of_its_presence_is_kept(self) -> None:
        async with self.opened() as store:
            await online(store, "pump")
            await store.order("pump", Pause(), lambda case: move(case, Status.PAUSED), at(10))
            for seconds, words in ((20, [Said.ABSENT]), (30, [Said.ABSENT, Said.PRESENT]), (40, [Said.ABSENT])):
                said = [Beat("pump", at(seconds + n / 10), word) for n, word in enumerate(words)]
                assert not (await store.record(said, at(seconds + 1))).due
                row = (await standing(store, "pump")).liveness
                assert (row.present, row.check_at) == (words[-1] is Said.PRESENT, None)
            assert await store.settle(by_rule(), at(1000)) == []

    async def test_the_sources_that_heard_it_add_up(self) -> None:
        async with self.opened() as store:
            (before,) = await online(store, "pump")
            assert before.liveness.heard & 1
            await store.record([Beat("pump", at(5)), Beat("pump", at(6))], at(6))
            assert (await standing(store, "pump")).liveness.heard & 1

    async def test_recording_the_same_again_changes_nothing(self) -> None:
        async with self.opened() as store:
            await offline(store, "pump")
            batch = [Beat("pump", at(300)), Beat("pump", at(310))]
            await store.record(batch, at(311))
            once = await standing(store, "pump")
            await store.record(batch, at(311))
            assert await standing(store, "pump") == once

    async def test_many_at_once_lose_nothing(self) -> None:
        async with self.opened() as store:
            slugs = [f"m{i}" for i in range(40)]
            await online(store, *slugs)

            async def send(number: int) -> None:
                await store.record([Beat(slug, at(number + i / 100)) for i, slug in enumerate(slugs)], at(60))

            async with anyio.create_task_group() as group:
                for number in (7, 50, 3, 21, 44, 13):
                    group.start_soon(send, number)
            known = await store.liveness(slugs)
            assert [known[s].liveness.last_seen for s in slugs] == [at(50 + i / 100) for i in range(40)]
