"""Advice on a limit in sentences. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from math import ceil

from lastseen.durations import spelled
from lastseen.monitor.advice import ENOUGH, FEW, Advice, Alarms
from lastseen.words import Words, listed, say, say_many

BY_SCHEDULE = say("It reports by a schedule: its grace counts, and not the time from one report to the next.")
BY_WORD = say("It says itself when it will be heard next: its limit counts from then.")


def sentences(advice: Advice, window: timedelta, zone: tzinfo | None = None, fixed: str = "") -> list[str]:
    """What is known, what was a false alarm perhaps, and which limit would fit. `fixed`: why no limit is proposed."""
    said = [_counted(advice, zone), *_silences(advice, window)]
    if fixed:
        return [*said, fixed]
    return [*said, *_proposal(advice, window)]


def of_alarms(found: Alarms, total: int, window: timedelta) -> str:
    """What a limit that somebody names would have made of it."""
    many = _outages(len(found.silences))
    longer = say("none of the {total:,} counted intervals was longer", total=total)
    if found.intervals:
        longer = say("{n:,} of the {total:,} counted intervals may have been longer", n=found.intervals, total=total)
    return say(
        "A limit of {limit} would have told of {outages} in {window}; {longer}.",
        limit=spelled(found.limit),
        outages=many,
        window=spelled(window, 1),
        longer=longer,
    )


def within(span: timedelta) -> Words:
    """Never less than it is: `41 s`, `0.4 s`, `3 min 12 s`."""
    seconds = span.total_seconds()
    if seconds < 10:
        return say("{n} s", n=f"{ceil(seconds * 10) / 10:g}")
    return spelled(timedelta(seconds=ceil(seconds)), 2 if seconds < 3600 * 24 else 3)


def _counted(advice: Advice, zone: tzinfo | None) -> str:
    if not advice.intervals:
        return say("Nothing is known yet: no interval between two of its heartbeats was counted.")
    since = _day(advice.first_at, zone)
    if advice.intervals < FEW:
        many = say_many("{n} interval", "{n:,} intervals", advice.intervals)
        return say("Too little is known: {intervals} counted since {day}.", intervals=many, day=since)
    shares = listed([_share(one.percent, one.span) for one in advice.within])
    if advice.longest:
        longest = within(advice.longest)
        shares = say("{shares}; none took longer than {longest}", shares=shares, longest=longest)
    return say(
        "Of {n:,} intervals between its heartbeats, counted since {day}, {shares}.",
        n=advice.intervals,
        day=since,
        shares=shares,
    )


def _share(percent: str, span: timedelta) -> Words:
    return say("{percent} came within {span}", percent=f"{percent} %", span=within(span))


def _silences(advice: Advice, window: timedelta) -> Sequence[str]:
    many = len(advice.brief) + len(advice.long)
    if not many:
        return [say("It was not found silent in {window}.", window=spelled(window, 1))]
    said = say("It was found silent {times} in {window}", times=_times(many), window=spelled(window, 1))
    lasting = [say("It is silent now, for {span}.", span=spelled(one.length)) for one in advice.long if one.lasts]
    if not advice.brief or advice.brief_under is None:
        return [Words("{said}.", said=said), *lasting]
    return [_brief(said, len(advice.brief), many, spelled(advice.brief_under)), *lasting]


def _brief(said: Words, brief: int, many: int, under: Words) -> Words:
    if many == 1:
        return say("{said}, and it was over within {limit}: a false alarm, perhaps.", said=said, limit=under)
    if brief == many:
        return say("{said}, and all of them were over within {limit}: false alarms, perhaps.", said=said, limit=under)
    return say_many(
        "{said}, and 1 of them was over within {limit}: a false alarm, perhaps.",
        "{said}, and {n:,} of them were over within {limit}: false alarms, perhaps.",
        brief,
        said=said,
        limit=under,
    )


def _proposal(advice: Advice, window: timedelta) -> Sequence[str]:
    proposed, limit = advice.proposed, advice.limit
    if proposed is None:
        if advice.intervals < ENOUGH:
            return [say("A limit is proposed when {n} intervals are counted.", n=ENOUGH)]
        return [say("No limit would fit: it is silent for very long at times.")]
    now = say("never") if limit is None else spelled(limit)
    early = [say("It was counted for less than a week: other days may be otherwise.")] if advice.is_early else []
    if proposed == limit:
        return [say("Its limit of {limit} fits.", limit=now), *early]
    fits = say(
        "A limit of {limit} would have raised no false alarm in {window}",
        limit=spelled(proposed),
        window=spelled(window, 1),
    )
    if limit is None or proposed < limit:
        fits = say("{fits}, as far as was counted", fits=fits)
    left = sum(one.length > proposed for one in advice.long)
    if left:
        fits = say("{fits}, and would have told of {outages}", fits=fits, outages=_outages(left))
    return [say("{fits}; its limit is {limit}.", fits=fits, limit=now), *early]


def _outages(count: int) -> Words:
    return say_many("{n} outage", "{n:,} outages", count)


def _times(count: int) -> Words:
    return say("once") if count == 1 else say("twice") if count == 2 else say("{n:,} times", n=count)


def _day(moment: datetime | None, zone: tzinfo | None) -> str:
    return "" if moment is None else moment.astimezone(zone).date().isoformat()
