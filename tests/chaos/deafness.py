"""Time in which somebody could be heard, and by when a silence must have been found. Written again from the promise,
not from the program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.chaos.evidence import Beat, Blind, Fault, Machine

ON_ITS_WAY = 2.0
"""Seconds after which what was not acknowledged has arrived or never will, unless something was broken."""

TOLD_WITHIN = 14.0
"""Seconds after which each node has said whether it heard while another had no database, and that was read."""

NOTICED = 2.0
"""Seconds in which every node has asked something of a database: it looks once a second."""

Spans = Sequence[tuple[float, float]]


def joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """In order, those that overlap as one."""
    whole: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if whole and start <= whole[-1][1]:
            whole[-1] = whole[-1][0], max(whole[-1][1], end)
        else:
            whole.append((start, end))
    return whole


def apart(faults: Sequence[Fault], source: str, beats: Sequence[Beat]) -> Spans:
    """When a machine could not be heard on that source. `beats`: those that may not have been heard yet; where
    something was held up, or was away for so short that nobody need have asked for it, nothing is missing of a machine
    before the first of them."""
    spans = []
    for fault in faults:
        missing = [beat.sent for beat in beats if fault.start <= beat.sent <= fault.end]
        certain = not fault.held and fault.end - fault.start >= NOTICED
        if source in fault.deaf and (missing or certain):
            spans.append((fault.start if certain else min(missing), fault.end))
    return joined(spans)


def arrived_by(beat: Beat, faults: Sequence[Fault]) -> float:
    """When it had arrived at the latest: what a stopped node was sent, itself or by a broker, is read when it goes
    on."""
    if beat.acked is not None and beat.via == "http":
        return beat.acked
    latest = beat.sent + ON_ITS_WAY
    return max(
        [latest, *(fault.end + ON_ITS_WAY for fault in faults if fault.start <= latest <= fault.end + ON_ITS_WAY)]
    )


def hearing_time(since: float, until: float, deaf: Spans) -> float:
    """Seconds between the two in which somebody could have been heard."""
    return until - since - sum(max(0.0, min(end, until) - max(start, since)) for start, end in deaf)


def latest_deadline(machine: Machine, since: float, blind: Sequence[Blind]) -> float:
    """When the silence that began then is an outage at the latest: the first two blind stretches give the threshold
    again, later ones their seconds; and of a stretch without the database the nodes tell each other first."""
    due, full = since + machine.threshold, 2
    own = [b for b in blind if b.source == machine.via]
    for start, end in joined((b.start, float("inf") if b.end is None else b.end) for b in own):
        if end <= since:
            continue
        if start >= due:
            break
        if full:
            due, full = max(due, end + machine.threshold), full - 1
        else:
            due += end - max(start, since)
    told = [b.end + TOLD_WITHIN for b in own if b.reason == "store" and b.end is not None and since < b.end <= due]
    return max([due, *told])
