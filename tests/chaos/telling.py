"""What of the outbox and the receivers breaks a promise: nothing lost, nothing told twice, everything in its order."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.chaos.evidence import Delivery, Event, Evidence, Notification

ENDED = ("delivered", "dead", "cancelled", "skipped")
DOUBTS = ("node", "database")
"""Kinds of faults begin with what they befall. What befalls these may leave a send without a known end."""

MARGIN = 1.0
"""Seconds by which a fault may have begun after the first of two deliveries that it explains: its answer was then still
on its way into the database."""

Found = Iterator[tuple[str, str]]


def look(evidence: Evidence) -> Found:
    rows = {row.id: row for row in evidence.notifications}
    came: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in evidence.deliveries:
        came[delivery.id].append(delivery)
    if evidence.refused:
        yield "wrong signature", f"{evidence.refused} deliveries"
    yield from _ended(evidence.notifications, came)
    yield from _known(came, rows)
    yield from _complete(evidence)
    yield from _once(evidence)
    yield from _repeats(came, evidence)
    yield from _order(evidence)


def _ended(rows: Sequence[Notification], came: dict[str, list[Delivery]]) -> Found:
    """Promise 4: delivered, or ended with a reason."""
    for row in rows:
        if row.state not in ENDED:
            yield "unfinished notification", f"{row.id} on {row.channel} is {row.state}"
        elif row.state != "delivered" and not row.reason:
            yield "no reason", f"{row.id} on {row.channel} is {row.state}"
        elif row.state == "delivered" and row.id not in came:
            yield "lost delivery", f"{row.id} is delivered, and {row.channel} never got it"
        answered = sum(delivery.answered for delivery in came.get(row.id, ()))
        if row.attempts.count("delivered") > max(1, answered):  # what came twice is judged by its reason
            yield "told twice", f"{row.id} was delivered by {row.attempts.count('delivered')} attempts"


def _known(came: dict[str, list[Delivery]], rows: dict[str, Notification]) -> Found:
    """What came is in the outbox, of that event and that channel."""
    for uid, deliveries in came.items():
        row = rows.get(uid)
        for delivery in deliveries:
            if row is None or (row.event, row.channel) != (delivery.event, delivery.channel):
                yield "unknown delivery", f"{uid} ({delivery.type}) came to {delivery.channel}"
        if row is not None and row.state in ("skipped", "pending"):
            yield "told what is not to be told", f"{uid} is {row.state}, and came to {row.channel}"


def _complete(evidence: Evidence) -> Found:
    """Promise 2 and 3: one first notification of each event for each channel."""
    firsts: dict[tuple[str, str], int] = defaultdict(int)
    for row in evidence.notifications:
        firsts[row.event, row.channel] += row.cause == "first"
    for event in evidence.events:
        for channel in evidence.channels:
            if firsts[event.uid, channel] != 1:
                yield "first notifications", f"{firsts[event.uid, channel]} of {event.type} {event.uid} for {channel}"


def _once(evidence: Evidence) -> Found:
    """Promise 3: nothing comes under two ids."""
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    asked = {row.id for row in evidence.notifications if row.cause != "first"}
    for delivery in evidence.deliveries:
        if delivery.id not in asked:
            ids[delivery.channel, delivery.event].add(delivery.id)
    for (channel, event), under in ids.items():
        if len(under) > 1:
            yield "told twice", f"event {event} came to {channel} under {len(under)} ids"


def _repeats(came: dict[str, list[Delivery]], evidence: Evidence) -> Found:
    """Promise 4: twice under one id only after a crash, an unknown answer or an outlived lease."""
    doubts = [fault for fault in evidence.faults if fault.kind.startswith(DOUBTS)]
    for uid, deliveries in came.items():
        arrived = sorted(deliveries, key=lambda delivery: delivery.at)
        for first, second in itertools.pairwise(arrived):
            explained = any(f.start <= second.at and f.end >= first.at - MARGIN for f in doubts)
            if first.answered and not explained:
                yield "told twice", f"{uid} came to {first.channel} at {first.at:.2f} and at {second.at:.2f}"


def _order(evidence: Evidence) -> Found:
    """Promise 5, as a receiver sees it: what comes for the first time is newer than all that came before it."""
    seqs = {event.uid: event for event in evidence.events}
    newest: dict[tuple[str, int], Event] = {}
    seen: set[tuple[str, str]] = set()
    for delivery in evidence.deliveries:
        event = seqs.get(delivery.event)
        if event is None or (delivery.channel, delivery.id) in seen:
            continue
        seen.add((delivery.channel, delivery.id))
        before = newest.get((delivery.channel, event.machine))
        if before is not None and before.seq > event.seq:
            yield (
                "out of order",
                f"machine {event.machine}: seq {event.seq} came to {delivery.channel} after {before.seq}",
            )
        else:
            newest[delivery.channel, event.machine] = event
        if delivery.sequence != event.seq:
            yield "out of order", f"event {event.uid} has seq {event.seq}, and its message {delivery.sequence}"
