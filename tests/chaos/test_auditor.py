"""The auditor finds what it is there for: evidence of a good run, and the same with one thing wrong in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.auditor import audit
from tests.chaos.evidence import (
    Beat,
    Blind,
    Delivery,
    Event,
    Evidence,
    Fault,
    Machine,
    Notification,
    Outage,
)

CHANNEL = "ops"
THRESHOLD = 4.0


def event(seq: int, what: str, at: float, before: str, after: str, reason: str = "heard") -> Event:
    return Event(f"e{seq}", 1, seq, f"machine.{what}", at, before, after, reason, None)


EVENTS = [
    event(1, "registered", 1.0, "provisioning", "provisioning", "declared"),
    event(2, "online", 10.0, "provisioning", "online"),
    event(3, "offline", 24.0, "online", "offline", "silent"),
    event(4, "online", 30.0, "offline", "online"),
    event(5, "offline", 51.5, "online", "offline", "goodbye"),
    event(6, "online", 60.0, "offline", "online"),
]
TOLD = [one for one in EVENTS if one.seq >= 3]


def good() -> Evidence:
    """A machine that was silent from 20 to 30, and said goodbye at 50; both were told, and both returns."""
    beats = [Beat(1, "alive", at, at + 0.01) for at in (10, 15, 20, 30, 33, 36, 39, 42, 45, 48, 60, 63, 66)]
    beats.append(Beat(1, "goodbye", 50, 50.01))
    notifications = [
        Notification(f"n{one.seq}", one.uid, CHANNEL, "first", "delivered", None, ("delivered",))
        if one in TOLD
        else Notification(f"n{one.seq}", one.uid, CHANNEL, "first", "skipped", "not wanted")
        for one in EVENTS
    ]
    return Evidence(
        machines=[Machine(1, "m1", THRESHOLD, 1.0, "online", 66.0)],
        events=EVENTS,
        outages=[Outage(1, 20.0, 30.0), Outage(1, 48.0, 60.0)],
        notifications=notifications,
        channels=[CHANNEL],
        deliveries=[Delivery(CHANNEL, f"n{one.seq}", one.type, 1, one.seq, one.uid, one.at + 0.1) for one in TOLD],
        beats=beats,
        taken_at=67.0,
    )


def without(number: int, rows: list[object]) -> list[object]:
    return rows[:number] + rows[number + 1 :]


def rules(evidence: Evidence) -> set[str]:
    return {finding.rule for finding in audit(evidence)}


def test_a_good_run_has_nothing_wrong_in_it() -> None:
    assert audit(good()) == []


def lost_delivery(run: Evidence) -> Evidence:
    return replace(run, deliveries=run.deliveries[1:])


def delivery_that_is_in_no_outbox(run: Evidence) -> Evidence:
    return replace(run, deliveries=[*run.deliveries, replace(run.deliveries[0], id="other")])


def repeat_with_another_id(run: Evidence) -> Evidence:
    again = Notification("other", "e3", CHANNEL, "first", "delivered", None, ("delivered",))
    return replace(
        run,
        notifications=[*run.notifications, again],
        deliveries=[*run.deliveries, replace(run.deliveries[0], id="other")],
    )


def repeat_that_nothing_explains(run: Evidence) -> Evidence:
    return replace(run, deliveries=[*run.deliveries, replace(run.deliveries[0], at=66.5)])


def repeat_beside_a_fault_of_another_part(run: Evidence) -> Evidence:
    return replace(repeat_that_nothing_explains(run), faults=[Fault("valkey killed", 24.1, 66.0)])


def two_attempts_that_both_succeeded(run: Evidence) -> Evidence:
    rows = list(run.notifications)
    rows[2] = replace(rows[2], attempts=("delivered", "delivered"))
    return replace(run, notifications=rows)


def swapped_order(run: Evidence) -> Evidence:
    first, second, *others = run.deliveries
    return replace(run, deliveries=[second, first, *others])


def message_with_a_wrong_sequence(run: Evidence) -> Evidence:
    return replace(run, deliveries=[replace(run.deliveries[0], sequence=9), *run.deliveries[1:]])


def invented_outage(run: Evidence) -> Evidence:
    beats = [*run.beats, Beat(1, "alive", 21.0, 21.01)]
    return replace(run, beats=sorted(beats, key=lambda beat: beat.sent))


def outage_of_a_time_in_which_nobody_could_be_heard(run: Evidence) -> Evidence:
    return replace(run, faults=[Fault("database killed", 21.0, 23.5, ("http",))])


def outage_of_a_time_in_which_what_it_said_was_held_up(run: Evidence) -> Evidence:
    held = Fault("database stalled", 21.0, 23.5, ("http",), held=True)
    return replace(run, beats=[*run.beats, Beat(1, "alive", 22.0, None)], faults=[held])


def goodbye_that_was_not_said(run: Evidence) -> Evidence:
    return replace(run, beats=[beat for beat in run.beats if beat.said != "goodbye"])


def goodbye_that_was_taken_back(run: Evidence) -> Evidence:
    return replace(run, beats=[*run.beats, Beat(1, "alive", 50.2, 50.21)])


def return_that_nobody_made(run: Evidence) -> Evidence:
    return replace(run, beats=[beat for beat in run.beats if not 30 <= beat.sent < 60])


def gap_in_seq(run: Evidence) -> Evidence:
    return replace(run, events=[*run.events[:-1], replace(run.events[-1], seq=7)])


def same_event_twice(run: Evidence) -> Evidence:
    twice = replace(run.events[2], uid="e9", seq=7, at=66.0)
    return replace(run, events=[*run.events, twice])


def lost_heartbeat(run: Evidence) -> Evidence:
    return replace(run, machines=[replace(run.machines[0], last_seen=63.0)])


def missed_outage(run: Evidence) -> Evidence:
    """Silent from 30.01 to 50, and nobody noticed."""
    return replace(run, beats=[beat for beat in run.beats if not 30 < beat.sent < 50])


def missed_return(run: Evidence) -> Evidence:
    machine = replace(run.machines[0], status="offline")
    outages = [run.outages[0], replace(run.outages[1], end=None)]
    return replace(run, events=run.events[:-1], machines=[machine], outages=outages)


def outage_that_stays_open(run: Evidence) -> Evidence:
    return replace(run, outages=[replace(run.outages[0], end=None), run.outages[1]])


def outage_without_an_event(run: Evidence) -> Evidence:
    return replace(run, outages=[*run.outages, Outage(1, 61.0, 62.0)])


def unfinished_notification(run: Evidence) -> Evidence:
    return replace(run, notifications=[*run.notifications[:-1], replace(run.notifications[-1], state="pending")])


def end_without_a_reason(run: Evidence) -> Evidence:
    return replace(run, notifications=[replace(run.notifications[0], reason=None), *run.notifications[1:]])


def event_without_a_notification(run: Evidence) -> Evidence:
    return replace(run, notifications=run.notifications[1:])


def skipped_and_told(run: Evidence) -> Evidence:
    told = Delivery(CHANNEL, "n1", "machine.registered", 1, 1, "e1", 1.5)
    return replace(run, deliveries=[told, *run.deliveries])


def signature_that_is_wrong(run: Evidence) -> Evidence:
    return replace(run, refused=1)


WRONG: list[tuple[Callable[[Evidence], Evidence], str]] = [
    (lost_delivery, "lost delivery"),
    (delivery_that_is_in_no_outbox, "unknown delivery"),
    (repeat_with_another_id, "told twice"),
    (repeat_that_nothing_explains, "told twice"),
    (repeat_beside_a_fault_of_another_part, "told twice"),
    (two_attempts_that_both_succeeded, "told twice"),
    (swapped_order, "out of order"),
    (message_with_a_wrong_sequence, "out of order"),
    (invented_outage, "invented outage"),
    (outage_of_a_time_in_which_nobody_could_be_heard, "invented outage"),
    (outage_of_a_time_in_which_what_it_said_was_held_up, "invented outage"),
    (goodbye_that_was_not_said, "invented outage"),
    (goodbye_that_was_taken_back, "invented outage"),
    (return_that_nobody_made, "invented return"),
    (gap_in_seq, "gap in seq"),
    (same_event_twice, "events do not follow"),
    (lost_heartbeat, "lost heartbeat"),
    (missed_outage, "missed outage"),
    (missed_return, "missed return"),
    (outage_that_stays_open, "open outages"),
    (outage_without_an_event, "open outages"),
    (unfinished_notification, "unfinished notification"),
    (end_without_a_reason, "no reason"),
    (event_without_a_notification, "first notifications"),
    (skipped_and_told, "told what is not to be told"),
    (signature_that_is_wrong, "wrong signature"),
]


@pytest.mark.parametrize(("spoil", "rule"), WRONG, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_wrong_is_named(spoil: Callable[[Evidence], Evidence], rule: str) -> None:
    assert rule in rules(spoil(good()))


@pytest.mark.parametrize("kind", ["node killed", "database cut"])
def test_a_repeat_with_the_same_id_is_allowed_where_something_broke(kind: str) -> None:
    run = good()
    again = replace(run.deliveries[0], at=30.0)
    run = replace(run, deliveries=[*run.deliveries, again])
    assert rules(run) == {"told twice"}
    assert audit(replace(run, faults=[Fault(kind, 24.2, 25.0)])) == []


def test_what_was_heard_in_a_stall_is_not_held_up_by_it() -> None:
    """Its last word came through while the database stood still: after that it said nothing that could wait."""
    assert audit(replace(good(), faults=[Fault("database stalled", 19.9, 23.5, ("http",), held=True)])) == []


def test_a_word_that_came_through_a_stall_late_is_what_the_silence_counts_from() -> None:
    """It was sent at 20, and acknowledged so late that by its clock it need not have been known: four seconds later it
    was silent, most of which was in the stall."""
    run = good()
    beats = [replace(beat, acked=23.9) if beat.sent == 20 else beat for beat in run.beats]
    beats = sorted([*beats, Beat(1, "alive", 18, 18.01)], key=lambda beat: beat.sent)
    held = Fault("database stalled", 19.9, 23.8, ("http",), held=True)
    late = replace(run, beats=beats, faults=[held], lateness=0.1)
    assert audit(late) == []
    early = [replace(one, at=23.0) if one.seq == 3 else one for one in run.events]
    assert rules(replace(late, events=early)) == {"invented outage"}


def test_what_is_said_at_the_end_of_a_stall_was_not_missing_before() -> None:
    run = good()
    held = Fault("database stalled", 21.0, 23.99, ("http",), held=True)
    assert audit(replace(run, beats=[*run.beats, Beat(1, "alive", 23.98, 24.3)], faults=[held])) == []


def test_the_clocks_of_a_machine_and_of_what_it_is_judged_by_are_apart() -> None:
    """It was silent from 20 to 42, was found in time, and is back a little before it says so."""
    run = good()
    events = [replace(one, at=41.9) if one.seq == 4 else one for one in run.events]
    beats = [beat for beat in run.beats if not 20 < beat.sent < 42]
    assert audit(replace(run, events=events, beats=beats)) == []


def test_what_nobody_asked_for_meanwhile_nobody_missed_unless_the_machine_spoke() -> None:
    run = replace(good(), faults=[Fault("database cut", 21.0, 22.9, ("http",))])
    assert audit(run) == []
    assert rules(replace(run, beats=[*run.beats, Beat(1, "alive", 22.0, None)])) == {"invented outage"}


def test_a_goodbye_moves_no_deadline() -> None:
    run = good()
    assert audit(replace(run, beats=[*run.beats, Beat(1, "goodbye", 23.5, 23.51)])) == []


def test_a_repeat_is_allowed_where_the_first_was_not_answered() -> None:
    run = good()
    first = replace(run.deliveries[0], answered=False)
    assert audit(replace(run, deliveries=[first, replace(first, at=29.0, answered=True), *run.deliveries[1:]])) == []


def test_blind_time_moves_the_moment_by_which_a_silence_must_be_found() -> None:
    run = missed_outage(good())
    blind = [Blind("http", 33.0, 35.0, "store"), Blind("http", 38.0, 40.0, "store")]
    assert rules(run) == {"missed outage"}
    assert audit(replace(run, blind=blind)) == []
    assert rules(replace(run, blind=[replace(one, source="mqtt") for one in blind])) == {"missed outage"}


def test_after_a_time_without_the_database_nodes_tell_each_other_first_what_they_heard() -> None:
    """It was silent from 20 to 41: due by 24, but for that."""
    run = good()
    events = [replace(one, at=40.5) if one.seq == 3 else one for one in run.events]
    events = [replace(one, at=43.0) if one.seq == 4 else one for one in events]
    beats = [beat for beat in run.beats if not 20 < beat.sent < 42]
    deliveries = [replace(one, at=43.1) if one.event in ("e3", "e4") else one for one in run.deliveries]
    late = replace(run, events=events, beats=beats, deliveries=deliveries)
    assert "missed outage" not in rules(late)
    early = replace(late, events=[replace(one, at=41.95) if one.seq == 3 else one for one in events])
    assert rules(early) == {"missed outage"}
    assert audit(replace(early, blind=[Blind("http", 22.0, 23.5, "store")])) == []
    assert rules(replace(early, blind=[Blind("http", 22.0, 23.5, "stalled")])) == {"missed outage"}


def test_what_was_delivered_by_two_attempts_and_came_twice_is_judged_by_what_broke() -> None:
    """A process that was stopped after a send writes down what became of it when it goes on."""
    run = two_attempts_that_both_succeeded(good())
    run = replace(run, deliveries=[*run.deliveries, replace(run.deliveries[0], at=30.0)])
    assert rules(run) == {"told twice"}
    assert audit(replace(run, faults=[Fault("node stopped", 24.2, 25.0)])) == []


def test_who_had_to_wait_for_a_processor_is_given_that_time_and_no_more() -> None:
    run = replace(good(), machines=[replace(good().machines[0], threshold=4.5)])
    assert rules(run) == {"invented outage"}
    assert rules(replace(run, lateness=0.2)) == {"invented outage"}
    assert audit(replace(run, lateness=0.3)) == []
    assert rules(replace(invented_outage(good()), lateness=0.7)) == {"invented outage"}
