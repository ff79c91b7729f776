"""How everything is at a glance: what is wrong, how many machines of which group are how, and a page of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from lastseen.errors import ConfigurationError
from lastseen.manage import channels
from lastseen.manage.beside import counted
from lastseen.manage.lately import Lately, lately
from lastseen.manage.machines import describe
from lastseen.manage.office import Office
from lastseen.manage.silences import Silenced, on_now
from lastseen.model import Standing, Status
from lastseen.model.directory import DISABLED, Count, Sought, place_of
from lastseen.model.past import Past
from lastseen.monitor.uptime import Timeline, Uptime, day_edges, hour_edges
from lastseen.protocols import Insight, Pasts
from lastseen.words import say

BAD: Final = (Status.OFFLINE, Status.ERROR)

WRONG_SHOWN: Final = 20
"""Of what is wrong, so many at the top; the rest by the filter."""

STEP: Final = timedelta(minutes=30)
"""What one piece of the picture of a day stands for."""

SPANS: Final[Mapping[str, int]] = {"24h": 1, "30d": 30, "90d": 90}
"""What pictures show, in days."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which machines, and what is shown of them. `after`: the slug of the machine that the page before ended with."""

    sought: Sought = field(default_factory=lambda: Sought(sort="group", limit=50))
    after: str = ""
    span: str = "24h"


@dataclass(frozen=True, slots=True)
class Pictured:
    """A machine as `describe` says, with the pieces of its picture and the whole of them. `owner` may be somebody
    else's: what is not visible is not in here at all."""

    said: Mapping[str, Any]
    whole: Uptime
    pieces: Sequence[Uptime]


@dataclass(frozen=True, slots=True)
class Overview:
    """`counts` of all that are visible; `fit`: of those that fit; `groups`: the same by group, in order. `wrong`: of
    those that fit too, as `describe` says, and `since` when; `wrong_fit`: how many. `more`: `after` of the next page.
    `blind`: sources that can hear nobody now. `failing`: the ids of channels that fail, for admins of all, for others
    of theirs. `nobody`: there is no channel that is on, of nobody's. `lately_cut`: there may be more of those.
    `silenced`: of what nothing is told now."""

    now: datetime
    counts: Mapping[str, int]
    fit: Mapping[str, int]
    groups: Mapping[str, Mapping[str, int]]
    all_groups: Sequence[str]
    wrong: Sequence[Mapping[str, Any]]
    wrong_fit: int
    page: Sequence[Pictured]
    more: str = ""
    blind: Sequence[str] = ()
    failing: Sequence[int] = ()
    nobody: bool = False
    lately: Sequence[Lately] = ()
    lately_cut: bool = False
    silenced: Sequence[Silenced] = ()

    @property
    def found(self) -> int:
        return sum(self.fit.values())


async def overview(office: Office, wanted: Wanted) -> Overview:
    """What `office.who` may see of it."""
    store, now = office.store, office.monitor.clock.now()
    mine = office.who.seen_by
    census = await store.census(Sought(seen_by=mine))
    sought = await _from_there(office, replace(wanted.sought, seen_by=mine), wanted.after)
    fitting = census if not _filters(sought) else await store.census(replace(sought, after=None))
    wrong_fit = sum(one.machines for one in fitting if one.state in BAD)
    wrong = await store.seek(_wrong(sought)) if wrong_fit else []
    page = list(await store.seek(replace(sought, limit=sought.limit + 1)))
    more = len(page) > sought.limit
    page = page[: sought.limit]
    await office.monitor.name_sources([*wrong, *page])
    return Overview(
        now,
        _by_state(census),
        _by_state(fitting),
        _by_group(fitting),
        sorted({one.group for one in census}),
        [{**describe(office, one, now, {}), "since": one.since} for one in sorted(wrong, key=_seen)],
        wrong_fit,
        await pictured(office, page, wanted.span, now),
        page[-1].machine.slug if more else "",
        *await _not_of_machines(office, now),
        *await lately(office, now),
        silenced=await on_now(office),
    )


async def _not_of_machines(office: Office, now: datetime) -> tuple[Sequence[str], Sequence[int], bool]:
    """`Overview.blind`, `failing` and `nobody`."""
    if not isinstance(office.store, Insight):
        return (), (), False
    gauges = await office.store.gauges(now)
    blind = sorted(name for name, is_blind in gauges.blind.items() if is_blind)
    some = gauges.channels.get("failing", 0) + gauges.channels.get("disabled", 0)
    failing = [one.id for one in await channels.failing(office)] if some else []
    nobody = not sum(count for how, count in gauges.channels.items() if how != "disabled")
    return blind, failing, nobody


async def pictured(office: Office, page: Sequence[Standing], span: str, now: datetime) -> list[Pictured]:
    """These machines, with the pieces of their pictures: half hours of the last day, or days."""
    return [each[span] for each in await pictured_over(office, page, (span,), now)]


async def pictured_over(
    office: Office, page: Sequence[Standing], spans: Sequence[str], now: datetime
) -> list[Mapping[str, Pictured]]:
    """The same over several spans: what happened is read once, for the longest, and counted once."""
    if not isinstance(office.store, Pasts):
        raise ConfigurationError(say("this store keeps no past to count uptime from"))
    edges = {span: _edges(office, span, now) for span in spans}
    pasts = await office.store.pasts(page, min(one[0] for one in edges.values()), now)
    figures = await counted(lambda: {id_: _counted(past, edges, now) for id_, past in pasts.items()})
    return [
        {span: Pictured(said, *figures[one.machine.id][span]) for span in spans}
        for one, said in ((one, describe(office, one, now, {})) for one in page)
    ]


def _edges(office: Office, span: str, now: datetime) -> Sequence[datetime]:
    days = SPANS[span]
    return hour_edges(now, 24, STEP) if days == 1 else day_edges(now, days, office.zone)


def _counted(
    past: Past, edges: Mapping[str, Sequence[datetime]], now: datetime
) -> Mapping[str, tuple[Uptime, Sequence[Uptime]]]:
    """The whole of each span, and its pieces."""
    timeline = Timeline(past, now)
    return {span: (timeline.uptimes((some[0], now))[0], timeline.uptimes(some)) for span, some in edges.items()}


async def _from_there(office: Office, sought: Sought, after: str) -> Sought:
    """Behind the machine that the page before ended with, as it stands now. One that is gone: from the beginning."""
    known = await office.store.liveness([after]) if after else {}
    if after not in known or not office.who.sees(known[after].machine.owner):
        return sought
    return replace(sought, after=place_of(known[after], sought.sort))


def _wrong(sought: Sought) -> Sought:
    """Those of them that are, some of which there are."""
    statuses = tuple(one for one in BAD if one in (sought.statuses or BAD))
    return replace(sought, statuses=statuses, sort="status_since", descending=True, after=None, limit=WRONG_SHOWN)


def _filters(sought: Sought) -> bool:
    return bool(
        sought.statuses or sought.enabled is not None or sought.kinds or sought.groups or sought.tags or sought.text
    )


def _seen(one: Standing) -> bool:
    """Whether somebody has acknowledged it: what nobody has seen comes first."""
    return (one.error_acked_by if one.outage is None else one.outage.acked_by) is not None


def _by_state(census: Sequence[Count]) -> Mapping[str, int]:
    found = dict.fromkeys((*Status, DISABLED), 0)
    for one in census:
        found[one.state] += one.machines
    return found


def _by_group(census: Sequence[Count]) -> Mapping[str, Mapping[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for one in sorted(census, key=lambda count: count.group):
        of_it = found.setdefault(one.group, {})
        of_it[one.state] = of_it.get(one.state, 0) + one.machines
    return found
