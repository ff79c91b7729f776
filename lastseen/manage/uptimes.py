"""How much of the time machines were up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from lastseen.errors import ConfigurationError
from lastseen.manage.machines import find
from lastseen.manage.office import Office
from lastseen.model import Standing
from lastseen.monitor.uptime import Uptime, day_edges, uptimes
from lastseen.protocols import Pasts

PAGE = 500


async def of_all(office: Office, span: timedelta, *, without_silenced: bool = False) -> list[tuple[Standing, Uptime]]:
    """Of every machine, by id, over so long until now."""
    found: list[tuple[Standing, Uptime]] = []
    after = 0
    while some := await office.store.machines(after, PAGE):
        found += [(one, whole) for one, (whole, *_) in await _counted(office, some, span, without_silenced, days=False)]
        after = some[-1].machine.id
    return found


async def of_one(
    office: Office, ref: str, span: timedelta, *, without_silenced: bool = False
) -> tuple[Standing, Uptime, Sequence[Uptime]]:
    """Of one machine, and of each day of it. Raises UnknownMachine."""
    standing = await find(office, ref)
    ((_, (whole, *days)),) = await _counted(office, [standing], span, without_silenced, days=True)
    return standing, whole, days


async def _counted(
    office: Office, machines: Sequence[Standing], span: timedelta, without_silenced: bool, *, days: bool
) -> Sequence[tuple[Standing, Sequence[Uptime]]]:
    """Each with the whole span first."""
    store, now = office.store, office.monitor.clock.now()
    if not isinstance(store, Pasts):
        raise ConfigurationError("this store keeps no past to count uptime from")
    start = now - span
    edges = [edge for edge in day_edges(now, span.days + 2, office.zone) if edge > start] if days else []
    pasts = await store.pasts(machines, start, now)
    found = []
    for one in machines:
        past = pasts[one.machine.id]
        whole = uptimes(past, (start, now), now, without_silenced=without_silenced)
        each = uptimes(past, (start, *edges), now, without_silenced=without_silenced)
        found.append((one, (*whole, *each)))
    return found
