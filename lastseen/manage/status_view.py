"""What a status page and a badge show, from what is written down. Nothing in it but what was chosen to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lastseen.manage.beside import counted
from lastseen.manage.office import Office
from lastseen.manage.subjects import machines_of, sought_of
from lastseen.model import Standing, Status
from lastseen.model.past import Past
from lastseen.model.public import Badge, Line, StatusPage
from lastseen.monitor.uptime import Uptime, day_edges, uptimes

DAYS = 90
RECENT = timedelta(days=14)
INCIDENTS, LINES, MACHINES = 50, 200, 1_000
"""What is shown at most; and how many machines stand behind the lines of a page, or behind a badge."""

BADGE_SPAN = timedelta(days=30)

WORST = ("down", "partly", "error", "unknown", "up", "idle")
"""How a line is, the worst first. `partly`: some of its machines are down; `unknown`: nobody could hear it now; `idle`:
none of them is watched."""


Chosen = tuple[str, Sequence[Standing]]
"""A line by its name, with its machines."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of a page: its days, and all of them together."""

    name: str
    state: str
    whole: Uptime
    days: Sequence[Uptime]


@dataclass(frozen=True, slots=True)
class Incident:
    """`end`: None: it lasts."""

    name: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True)
class View:
    """`more`: lines or incidents were left out."""

    page: StatusPage
    at: datetime
    lines: Sequence[Shown]
    incidents: Sequence[Incident]
    more: bool

    @property
    def state(self) -> str:
        """Of the worst line; `partly` where some are down and some are not."""
        states = {line.state for line in self.lines}
        if "down" in states and len(states - {"idle"}) > 1:
            return "partly"
        return next((one for one in WORST if one in states), "idle")


@dataclass(frozen=True, slots=True)
class BadgeView:
    """`colour`: a word that shields.io knows."""

    label: str
    message: str
    colour: str


async def page_view(office: Office, page: StatusPage) -> View:
    now = office.monitor.clock.now()
    edges = day_edges(now, DAYS, office.zone)
    chosen, more = await _chosen(office, page)
    everything = {one.machine.id: one for _, machines in chosen for one in machines}
    pasts = await office.store.pasts(list(everything.values()), edges[0], now) if everything else {}
    return await counted(lambda: _viewed(page, chosen, pasts, edges, more))


def _viewed(
    page: StatusPage, chosen: Sequence[Chosen], pasts: Mapping[int, Past], edges: Sequence[datetime], more: bool
) -> View:
    now = edges[-1]
    counted = {id_: uptimes(past, edges, now) for id_, past in pasts.items()}
    lines, incidents = [], []
    for name, machines in chosen:
        days = [added(same) for same in zip(*(counted[one.machine.id] for one in machines), strict=True)]
        days = days or list(uptimes(Past(()), edges, now))
        lines.append(Shown(name, state_of(machines, pasts, now), added(days), days))
        spans = joined(span for one in machines for span in pasts[one.machine.id].outages)
        incidents += [Incident(name, *span) for span in spans if span[1] is None or span[1] > now - RECENT]
    incidents.sort(key=lambda one: (one.end is None, one.start), reverse=True)
    more = more or len(incidents) > INCIDENTS
    return View(page, now, lines, incidents[:INCIDENTS], more)


async def _chosen(office: Office, page: StatusPage) -> tuple[Sequence[Chosen], bool]:
    """The lines with their machines, and whether there are more."""
    lines: list[Chosen] = []
    more, room = False, MACHINES
    for line in page.lines:
        machines = await machines_of(office, line.subject, page.owner, room + 1)
        more = more or len(machines) > room
        lines += _named(line, machines[:room])
        room -= min(room, len(machines))
    return lines[:LINES], more or len(lines) > LINES


def _named(line: Line, machines: Sequence[Standing]) -> list[Chosen]:
    if line.alias is not None:
        return [(line.alias, machines)]
    return [(one.machine.name, [one]) for one in machines]


def added(some: Iterable[Uptime]) -> Uptime:
    """Several machines in the same time, or one in times that follow each other."""
    every = list(some)
    zero = timedelta()
    return Uptime(
        min(one.start for one in every),
        max(one.end for one in every),
        sum((one.known for one in every), zero),
        sum((one.down for one in every), zero),
        sum((one.unknown for one in every), zero),
        sum((one.silenced for one in every), zero),
        sum(one.outages for one in every),
    )


def state_of(machines: Sequence[Standing], pasts: Mapping[int, Past], now: datetime) -> str:
    states = [_state(one, pasts[one.machine.id], now) for one in machines]
    watched = [one for one in states if one != "idle"]
    if "down" in watched:
        return "down" if all(one == "down" for one in watched) else "partly"
    return next((one for one in WORST if one in states), "idle")


def _state(one: Standing, past: Past, now: datetime) -> str:
    match one.liveness.status:
        case Status.OFFLINE:
            return "down"
        case Status.PAUSED | Status.PROVISIONING:
            return "idle"
    if any(start <= now and (end is None or end >= now) for start, end in past.blind):
        return "unknown"
    return "error" if one.liveness.status is Status.ERROR else "up"


def joined(spans: Iterable[tuple[datetime, datetime | None]]) -> list[tuple[datetime, datetime | None]]:
    """Those that overlap are one."""
    found: list[tuple[datetime, datetime | None]] = []
    for start, end in sorted(spans, key=lambda one: one[0]):
        before = found[-1] if found else None
        if before is not None and (before[1] is None or start <= before[1]):
            later = None if before[1] is None or end is None else max(before[1], end)
            found[-1] = before[0], later
        else:
            found.append((start, end))
    return found


async def badge_view(office: Office, badge: Badge) -> BadgeView | None:
    """None: what it is about is not there any more."""
    machines: Sequence[Standing] = []
    if badge.subject.machine is not None or badge.shows == "uptime":
        machines = await machines_of(office, badge.subject, badge.owner, MACHINES)
    if badge.subject.machine is not None and not machines:
        return None
    label = badge.label or _label(badge, machines)
    if badge.shows == "uptime":
        return await _uptime_badge(office, label, machines)
    if badge.subject.machine is not None:
        now = office.monitor.clock.now()
        pasts = await office.store.pasts(machines, now, now)
        return BadgeView(label, *STATES[state_of(machines, pasts, now)])
    counts: dict[Status, int] = {}
    for one in await office.store.census(sought_of(badge.subject, badge.owner, 1)):
        counts[one.status] = counts.get(one.status, 0) + one.machines
    return BadgeView(label, *_of_counts(counts))


STATES = {
    "up": ("up", "brightgreen"),
    "down": ("down", "red"),
    "error": ("error", "orange"),
    "unknown": ("unknown", "lightgrey"),
    "idle": ("not watched", "lightgrey"),
}


def _of_counts(counts: Mapping[Status, int]) -> tuple[str, str]:
    watched = sum(counts.get(one, 0) for one in (Status.ONLINE, Status.ERROR, Status.OFFLINE))
    down, wrong = counts.get(Status.OFFLINE, 0), counts.get(Status.ERROR, 0)
    if not watched:
        return STATES["idle"]
    if down:
        return f"{down:,} of {watched:,} down", "red"
    return (f"{wrong:,} of {watched:,} error", "orange") if wrong else (f"{watched:,} up", "brightgreen")


async def _uptime_badge(office: Office, label: str, machines: Sequence[Standing]) -> BadgeView:
    now = office.monitor.clock.now()
    edges = (now - BADGE_SPAN, now)
    pasts = await office.store.pasts(machines, edges[0], now) if machines else {}
    every = await counted(lambda: [one for past in pasts.values() for one in uptimes(past, edges, now)])
    whole = added(every) if every else None
    if whole is None or whole.ratio is None or whole.percent is None:
        return BadgeView(label, "unknown", "lightgrey")
    good = ((0.999, "brightgreen"), (0.99, "green"), (0.95, "yellow"), (0.9, "orange"), (0.0, "red"))
    return BadgeView(label, f"{whole.percent} %", next(colour for least, colour in good if whole.ratio >= least))


def _label(badge: Badge, machines: Sequence[Standing]) -> str:
    if badge.subject.machine is not None:
        return machines[0].machine.name
    return badge.subject.group or badge.subject.tag or "machines"
