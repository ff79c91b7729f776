"""Which limit would fit a machine, and listening to one more closely."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from lastseen.clock import rfc3339
from lastseen.durations import NEVER
from lastseen.errors import Busy, ConfigurationError, InvalidInput
from lastseen.manage.machines import find, find_to_edit
from lastseen.manage.office import Office
from lastseen.model import Machine, OutageReason, Standing
from lastseen.model.directory import Leaf
from lastseen.model.intervals import Turn
from lastseen.monitor import advice_words
from lastseen.monitor.advice import ENOUGH, FEW, Advice, Alarms, Silence, advise, alarms
from lastseen.monitor.counting import ASKED, EVERY, KEPT, PRIVATE, SETTLED
from lastseen.monitor.deadline import threshold
from lastseen.protocols import Annals, Intervals
from lastseen.words import say

WINDOW = timedelta(days=30)
SHOWN = 20
"""False alarms that are told one by one, the newest first."""

MOST = 10_000
"""Outages that are looked at."""


async def of_one(
    office: Office,
    ref: str,
    *,
    window: timedelta = WINDOW,
    brief_under: timedelta | None = None,
    limit: timedelta | None = None,
) -> dict[str, Any]:
    """What was counted of it, its false alarms, and the limit that is proposed; with `limit`, what that one would have
    made of the same time, as `would`. Silences shorter than `brief_under` are false alarms, else those shorter than
    twice its limit. Raises UnknownMachine, InvalidInput."""
    if window > KEPT:
        raise InvalidInput(say("must be at most {days}d: older intervals are not kept", days=KEPT.days), "window")
    _check(office)
    standing, now = await find(office, ref), office.monitor.clock.now()
    since = now - window
    tallies = await office.store.tallies(standing.machine.id, since)
    silences = [*await _silences(office, standing.machine, since), *_silent_now(standing, now)]
    now_in_force = threshold(standing.machine, standing.kind, office.monitor.rules).limit
    found = advise(tallies, silences, now_in_force, brief_under)
    fixed = _fixed(standing)
    said = advice_words.sentences(found, window, office.zone, fixed)
    would = None if limit is None or limit == NEVER else alarms(tallies, silences, limit)
    if would is not None:
        said.append(advice_words.of_alarms(would, found.intervals, window))
    turns = [turn for turn in await office.store.turns() if turn.machine_id == standing.machine.id]
    return {
        "id": standing.machine.id,
        "machine": standing.machine.slug,
        "start": rfc3339(since),
        "end": rfc3339(now),
        **_described(found, proposed=not fixed),
        "would": None if would is None else _would(would),
        **_listening(turns[0] if turns else None, now),
        "text": said,
    }


async def listen(office: Office, ref: str, span: timedelta) -> dict[str, Any]:
    """Count the intervals of this machine for so long, before those whose turn it is: from some minutes on, when every
    process knows of it. Raises UnknownMachine, Forbidden, InvalidInput, Busy."""
    standing, now = await find_to_edit(office, ref), office.monitor.clock.now()
    if not timedelta(minutes=10) <= span <= PRIVATE:
        raise InvalidInput(say("must be from 10m to {days}d", days=PRIVATE.days), "lasting")
    _check(office)
    machine, begins = standing.machine, now + EVERY + SETTLED
    asking = office.store.ask_turn(Turn(machine.id, machine.slug, begins, begins + span, asked=True), ASKED)
    turn = await office.do(
        asking,
        "machines.listen",
        lambda turn: None if turn is None else f"machine {machine.slug}",
        lambda turn: {"until": rfc3339(turn.ends_at)},
    )
    if turn is None:
        raise Busy(f"{ASKED} machines are listened to more closely already: try again when their time is over")
    until = rfc3339(turn.ends_at)
    return {"id": machine.id, "machine": machine.slug, **_listening(turn, now), "listening_until": until}


def _check(office: Office) -> None:
    if not isinstance(office.store, Intervals) or not isinstance(office.store, Annals):
        raise ConfigurationError(say("this store keeps no intervals to advise by"))


def _fixed(standing: Standing) -> str:
    if standing.machine.schedule is not None:
        return advice_words.BY_SCHEDULE
    return "" if standing.liveness.expect_at is None else advice_words.BY_WORD


async def _silences(office: Office, machine: Machine, since: datetime) -> Sequence[Silence]:
    """Of this time: outages by silence that ended with a heartbeat."""
    rows = await office.store.outages(Leaf(machine.id, since=since, limit=MOST))
    return [
        Silence(datetime.fromisoformat(row["started_at"]), datetime.fromisoformat(row["ended_at"]))
        for row in rows
        if row["reason"] == "silent" and row["end_reason"] == "heard"
    ]


def _silent_now(standing: Standing, now: datetime) -> Sequence[Silence]:
    """The outage by silence that lasts, also where it began before that time."""
    outage = standing.outage
    if outage is None or outage.reason is not OutageReason.SILENT:
        return []
    return [Silence(outage.started_at, now, lasts=True)]


def _listening(turn: Turn | None, now: datetime) -> dict[str, Any]:
    """Since when, or from when on: a turn begins minutes after it is given, when every process knows of it."""
    begins = None if turn is None else turn.starts_at
    begun = begins is not None and begins <= now
    return {"listening_since": rfc3339(begins if begun else None), "listening_from": rfc3339(None if begun else begins)}


def _described(found: Advice, *, proposed: bool) -> dict[str, Any]:
    newest = sorted(found.brief, key=lambda one: one.started_at, reverse=True)[:SHOWN]
    return {
        "known": "enough" if found.intervals >= ENOUGH else "little" if found.intervals >= FEW else "nothing",
        "intervals": found.intervals,
        "sampled_seconds": found.sampled.total_seconds(),
        "first_at": rfc3339(found.first_at),
        "last_at": rfc3339(found.last_at),
        "within": [{"percent": one.percent, "seconds": one.span.total_seconds()} for one in found.within],
        "longest_seconds": _seconds(found.longest),
        "offline_after_seconds": 0 if found.limit is None else found.limit.total_seconds(),
        "proposed_seconds": _seconds(found.proposed) if proposed else None,
        "false_alarms_under_seconds": _seconds(found.brief_under),
        "false_alarms": len(found.brief),
        "newest_false_alarms": [_silence(one) for one in newest],
        "other_silences": len(found.long),
    }


def _would(found: Alarms) -> dict[str, Any]:
    return {
        "offline_after_seconds": found.limit.total_seconds(),
        "outages": len(found.silences),
        "intervals": found.intervals,
    }


def _silence(one: Silence) -> dict[str, Any]:
    return {
        "started_at": rfc3339(one.started_at),
        "ended_at": rfc3339(one.ended_at),
        "seconds": one.length.total_seconds(),
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
