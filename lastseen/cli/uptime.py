"""`lastseen uptime`: how much of the time machines were up, without the time in which nobody could have known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.output import Json, print_json, table
from lastseen.cli.session import do, settings
from lastseen.durations import parse_duration, spell

if TYPE_CHECKING:
    from lastseen.manage.office import Office
    from lastseen.model import Standing
    from lastseen.monitor.uptime import Uptime

STRIP = {"up": ("█", "green"), "down": ("▄", "bold red"), "unknown": ("░", "dim"), "none": ("·", "dim")}
"""A day in a row of days: without an outage, with one, nothing known, not watched."""


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
    from lastseen.manage import uptimes as verbs

    span = parse_duration(window, "--window")

    async def all_of_them(office: Office) -> list[tuple[Any, ...]]:
        found = await verbs.of_all(office, span, without_silenced=without_silenced)
        return [(verbs.described(office, *one), *one) for one in found]

    async def single(office: Office) -> tuple[Any, Standing, Uptime, Sequence[Uptime]]:
        found = await verbs.of_one(office, machine or "", span, without_silenced=without_silenced)
        return verbs.described(office, *found), *found

    if machine is None:
        found = do(all_of_them)
        if as_json:
            print_json([value for value, *_ in found])
        else:
            _table([(standing, whole) for _, standing, whole in found], spell(span, 1))
        return
    value, standing, whole, days = do(single)
    if as_json:
        print_json(value)
    else:
        _one(standing, whole, days, spell(span, 1))


def _day(one: Uptime) -> str:
    return one.start.astimezone(settings().timezone).date().isoformat()


def _table(found: Sequence[tuple[Standing, Uptime]], span: str) -> None:
    rows = [
        (standing.machine.slug, _percent(whole), whole.outages, whole.down, whole.unknown) for standing, whole in found
    ]
    table(("machine", f"up in {span}", "outages", "down", "unknown"), rows, "No machines yet.")


def _one(standing: Standing, whole: Uptime, days: Sequence[Uptime], span: str) -> None:
    from rich.console import Console
    from rich.text import Text

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
