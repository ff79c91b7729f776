"""`lastseen uptime`: how much of the time machines were up, without the time in which nobody could have known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.output import Json, print_json, table
from lastseen.cli.session import ask, find_machine, settings
from lastseen.durations import parse_duration, spell
from lastseen.errors import ConfigurationError

if TYPE_CHECKING:
    from lastseen.model import Standing
    from lastseen.monitor.uptime import Uptime

PAGE = 500
STRIP = {"up": ("█", "green"), "down": ("▄", "bold red"), "unknown": ("░", "dim"), "none": ("·", "dim")}
"""A day in a row of days: without an outage, with one, nothing known, not watched."""

Found = list[tuple[Any, Sequence[Any]]]
"""Machines with the whole window, and then its days."""


def uptime(
    machine: Annotated[
        str | None,
        typer.Argument(metavar="SLUG-OR-ID", help="The machine, with its days; none: all.", show_default=False),
    ] = None,
    window: Annotated[str, typer.Option(metavar="DURATION", help="How far back.")] = "30d",
    without_silenced: Annotated[
        bool, typer.Option("--without-silenced", help="Leave out the time for which a silence was set.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say how much of the time machines were up. Time in which nobody could have known does not count."""
    span = parse_duration(window, "--window")

    async def work(monitor: Any) -> Found:
        return await _counted(monitor, machine, span, without_silenced)

    found = ask(work)
    if as_json:
        shown = [_as_dict(standing, every) for standing, every in found]
        print_json(shown if machine is None else shown[0])
    elif machine is None:
        _table(found, spell(span, 1))
    else:
        _one(*found[0], spell(span, 1))


async def _counted(monitor: Any, ref: str | None, span: timedelta, without_silenced: bool) -> Found:
    from lastseen.monitor.uptime import day_edges, uptimes
    from lastseen.protocols import Pasts

    if not isinstance(monitor.store, Pasts):
        raise ConfigurationError("this store keeps no past to count uptime from")
    now = monitor.clock.now()
    start = now - span
    days = day_edges(now, span.days + 2, settings().timezone)
    inner = [edge for edge in days if edge > start] if ref is not None else []
    found: Found = []
    for some in await _pages(monitor, ref):
        pasts = await monitor.store.pasts(some, start, now)
        for standing in some:
            past = pasts[standing.machine.id]
            whole = uptimes(past, (start, now), now, without_silenced=without_silenced)
            each = uptimes(past, (start, *inner), now, without_silenced=without_silenced)
            found.append((standing, (*whole, *each)))
    return found


async def _pages(monitor: Any, ref: str | None) -> list[Sequence[Standing]]:
    if ref is not None:
        return [[await find_machine(monitor, ref)]]
    pages: list[Sequence[Standing]] = []
    while some := await monitor.store.machines(pages[-1][-1].machine.id if pages else 0, PAGE):
        pages.append(some)
    return pages


def _as_dict(standing: Standing, every: Sequence[Uptime]) -> dict[str, Any]:
    whole, days = every[0], every[1:]
    shown = {"id": standing.machine.id, "machine": standing.machine.slug, **_counts(whole)}
    return {**shown, "days": [{"day": _day(one), **_counts(one)} for one in days]} if len(days) > 1 else shown


def _counts(one: Uptime) -> dict[str, Any]:
    return {
        "start": one.start,
        "end": one.end,
        "uptime": one.ratio,
        "percent": one.percent,
        "known_seconds": one.known.total_seconds(),
        "down_seconds": one.down.total_seconds(),
        "unknown_seconds": one.unknown.total_seconds(),
        "silenced_seconds": one.silenced.total_seconds(),
        "outages": one.outages,
    }


def _day(one: Uptime) -> str:
    return one.start.astimezone(settings().timezone).date().isoformat()


def _table(found: Found, span: str) -> None:
    rows = [
        (standing.machine.slug, _percent(whole), whole.outages, whole.down, whole.unknown)
        for standing, (whole, *_) in found
    ]
    table(("machine", f"up in {span}", "outages", "down", "unknown"), rows, "No machines yet.")


def _one(standing: Standing, every: Sequence[Uptime], span: str) -> None:
    from rich.console import Console
    from rich.text import Text

    whole, *days = every
    typer.echo(f"{standing.machine.slug}  {_percent(whole)} in {span}")
    outages = f"{whole.outages} outage{'' if whole.outages == 1 else 's'}"
    typer.echo(
        f"{_span(whole.known)} known, of it {_span(whole.down)} down in {outages}; {_span(whole.unknown)} unknown"
    )
    Console(highlight=False).print(Text.assemble(*(STRIP[day.kind] for day in days)))
    table(
        ("day", "up", "outages", "down", "unknown"),
        [(_day(one), _percent(one), one.outages, one.down, one.unknown) for one in days if one.down or one.unknown],
        "",
    )


def _percent(one: Uptime) -> str:
    return "unknown" if one.percent is None else f"{one.percent} %"


def _span(span: timedelta) -> str:
    return spell(span) if span else "none"
