"""Advice on a limit in sentences. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from math import ceil

from lastseen.durations import spell
from lastseen.monitor.advice import ENOUGH, FEW, Advice, Alarms

BY_SCHEDULE = "It reports by a schedule: its grace counts, and not the time from one report to the next."
BY_WORD = "It says itself when it will be heard next: its limit counts from then."


def sentences(advice: Advice, window: timedelta, zone: tzinfo | None = None, fixed: str = "") -> list[str]:
    """What is known, what was a false alarm perhaps, and which limit would fit. `fixed`: why no limit is proposed."""
    said = [_counted(advice, zone), *_silences(advice, window)]
    if fixed:
        return [*said, fixed]
    return [*said, *_proposal(advice, window)]


def of_alarms(found: Alarms, total: int, window: timedelta) -> str:
    """What a limit that somebody names would have made of it."""
    many, out_of = _many(len(found.silences), "outage"), f"{found.intervals:,} of the {total:,} counted intervals"
    longer = (
        f"{out_of} may have been longer" if found.intervals else f"none of the {total:,} counted intervals was longer"
    )
    return f"A limit of {spell(found.limit)} would have told of {many} in {spell(window, 1)}; {longer}."


def within(span: timedelta) -> str:
    """Never less than it is: `41 s`, `0.4 s`, `3 min 12 s`."""
    seconds = span.total_seconds()
    if seconds < 10:
        return f"{ceil(seconds * 10) / 10:g} s"
    return spell(timedelta(seconds=ceil(seconds)), 2 if seconds < 3600 * 24 else 3)


def _counted(advice: Advice, zone: tzinfo | None) -> str:
    if not advice.intervals:
        return "Nothing is known yet: no interval between two of its heartbeats was counted."
    since = _day(advice.first_at, zone)
    if advice.intervals < FEW:
        return f"Too little is known: {_many(advice.intervals, 'interval')} counted since {since}."
    shares = ", ".join(f"{one.percent} % came within {within(one.span)}" for one in advice.within)
    longest = f"; none took longer than {within(advice.longest)}" if advice.longest else ""
    return f"Of {advice.intervals:,} intervals between its heartbeats, counted since {since}, {shares}{longest}."


def _silences(advice: Advice, window: timedelta) -> Sequence[str]:
    many = len(advice.brief) + len(advice.long)
    if not many:
        return [f"It was not found silent in {spell(window, 1)}."]
    said = f"It was found silent {_times(many)} in {spell(window, 1)}"
    if not advice.brief or advice.brief_under is None:
        return [f"{said}."]
    brief = "it" if many == 1 else "all of them" if len(advice.brief) == many else f"{len(advice.brief):,} of them"
    was, kind = ("was", "a false alarm") if len(advice.brief) == 1 else ("were", "false alarms")
    return [f"{said}, and {brief} {was} over within {spell(advice.brief_under)}: {kind}, perhaps."]


def _proposal(advice: Advice, window: timedelta) -> Sequence[str]:
    proposed, limit = advice.proposed, advice.limit
    if proposed is None:
        if advice.intervals < ENOUGH:
            return [f"A limit is proposed when {ENOUGH} intervals are counted."]
        return ["No limit would fit: it is silent for very long at times."]
    now = "never" if limit is None else spell(limit)
    early = ["It was counted for less than a week: other days may be otherwise."] if advice.is_early else []
    if proposed == limit:
        return [f"Its limit of {now} fits.", *early]
    none = f"A limit of {spell(proposed)} would have raised no false alarm in {spell(window, 1)}"
    left = sum(one.length > proposed for one in advice.long)
    still = f", and would have told of {_many(left, 'outage')}" if left else ""
    known = ", as far as was counted" if limit is None or proposed < limit else ""
    return [f"{none}{known}{still}; its limit is {now}.", *early]


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count:,} times"


def _day(moment: datetime | None, zone: tzinfo | None) -> str:
    return "" if moment is None else moment.astimezone(zone).date().isoformat()
