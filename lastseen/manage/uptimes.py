"""How much of the time machines were up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from lastseen.clock import rfc3339
from lastseen.errors import ConfigurationError
from lastseen.manage.beside import counted
from lastseen.manage.cursors import cursor_of, page_of, place_in
from lastseen.manage.machines import find
from lastseen.manage.office import Office
from lastseen.model import Standing
from lastseen.monitor.uptime import Timeline, Uptime, day_edges
from lastseen.protocols import Pasts
from lastseen.words import say

PAGE = 500
ORDER = "id"


async def listed(office: Office, span: timedelta, *, without_silenced: bool = False) -> list[dict[str, Any]]:
    """Of every machine, by id, over so long until now."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        some = await page(office, span, without_silenced=without_silenced, cursor=cursor)
        found += some["items"]
        cursor = some["next"]
        if cursor is None:
            return found


async def page(
    office: Office, span: timedelta, *, without_silenced: bool = False, limit: int = PAGE, cursor: str | None = None
) -> dict[str, Any]:
    """`{"items": […], "next": …}`, by id; fewer than `limit` where some are not for who asks. Raises InvalidInput."""
    (after,) = place_in(cursor, ORDER, False) or (0,)
    found = page_of(
        await office.store.machines(after, limit + 1),
        limit,
        lambda last: cursor_of(ORDER, False, (last.machine.id,)),
    )
    seen = [one for one in found["items"] if office.who.sees(one.machine.owner)]
    counted = await _counted(office, seen, span, without_silenced, days=False)
    return {**found, "items": [described(office, one, whole) for one, (whole, *_) in counted]}


async def show(office: Office, ref: str, span: timedelta, *, without_silenced: bool = False) -> dict[str, Any]:
    """Of one machine, and of each day of it, for programs. Raises UnknownMachine."""
    return described(office, *await of_one(office, ref, span, without_silenced=without_silenced))


async def of_one(
    office: Office, ref: str, span: timedelta, *, without_silenced: bool = False
) -> tuple[Standing, Uptime, Sequence[Uptime]]:
    """Of one machine, and of each day of it. Raises UnknownMachine."""
    standing = await find(office, ref)
    ((_, (whole, *days)),) = await _counted(office, [standing], span, without_silenced, days=True)
    return standing, whole, days


def described(
    office: Office, standing: Standing, whole: Uptime, days: Sequence[Uptime] | None = None
) -> dict[str, Any]:
    """For programs. A day is called by its date where people here read times."""
    shown = {"id": standing.machine.id, "machine": standing.machine.slug, **_counts(whole)}
    return shown if days is None else {**shown, "days": [{"day": day_of(office, one), **_counts(one)} for one in days]}


def day_of(office: Office, one: Uptime) -> str:
    return one.start.astimezone(office.zone).date().isoformat()


def _counts(one: Uptime) -> dict[str, Any]:
    return {
        "start": rfc3339(one.start),
        "end": rfc3339(one.end),
        "uptime": one.ratio,
        "percent": one.percent,
        "known_seconds": one.known.total_seconds(),
        "down_seconds": one.down.total_seconds(),
        "unknown_seconds": one.unknown.total_seconds(),
        "silenced_seconds": one.silenced.total_seconds(),
        "outages": one.outages,
    }


async def _counted(
    office: Office, machines: Sequence[Standing], span: timedelta, without_silenced: bool, *, days: bool
) -> Sequence[tuple[Standing, Sequence[Uptime]]]:
    """Each with the whole span first."""
    store, now = office.store, office.monitor.clock.now()
    if not isinstance(store, Pasts):
        raise ConfigurationError(say("this store keeps no past to count uptime from"))
    start = now - span
    edges = [edge for edge in day_edges(now, span.days + 2, office.zone) if edge > start] if days else []
    pasts = await store.pasts(machines, start, now)

    def each(one: Standing) -> Sequence[Uptime]:
        timeline = Timeline(pasts[one.machine.id], now, without_silenced=without_silenced)
        return *timeline.uptimes((start, now)), *timeline.uptimes((start, *edges))

    return await counted(lambda: [(one, each(one)) for one in machines])
