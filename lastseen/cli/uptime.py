"""`lastseen uptime`: how much of the time machines were up, without the time in which nobody could have known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer

from lastseen.cli.output import Json, print_json, table
from lastseen.cli.session import call
from lastseen.durations import parse_duration, spell

STRIP = {"up": ("█", "green"), "down": ("▄", "bold red"), "unknown": ("░", "dim"), "none": ("·", "dim")}
"""A day in a row of days: without an outage, with one, nothing known, not watched."""

SHOWN_FIRST = {"down": "down", "up": "known", "unknown": "unknown"}
"""What a day is shown as, by the first of these that there was of it."""

Counted = Mapping[str, Any]
"""As `manage.uptimes` describes it."""


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
    if machine is None:
        every = call(verbs.listed, span, without_silenced=without_silenced)
        if as_json:
            print_json(every)
        else:
            _table(every, spell(span, 1))
        return
    found = call(verbs.show, machine, span, without_silenced=without_silenced)
    if as_json:
        print_json(found)
    else:
        _one(found, spell(span, 1))


def _table(found: Sequence[Counted], span: str) -> None:
    rows = [(one["machine"], *_figures(one)) for one in found]
    table(("machine", f"up in {span}", "outages", "down", "unknown"), rows, "No machines yet.")


def _one(whole: Counted, span: str) -> None:
    from rich.console import Console
    from rich.text import Text

    percent, outages, *_ = _figures(whole)
    typer.echo(f"{whole['machine']}  {percent} in {span}")
    known = _span(whole["known_seconds"])
    many = f"{outages} outage{'' if outages == 1 else 's'}"
    typer.echo(
        f"{known} known, of it {_span(whole['down_seconds'])} down in {many}; {_span(whole['unknown_seconds'])} unknown"
    )
    Console(highlight=False).print(Text.assemble(*(STRIP[_kind(day)] for day in whole["days"])))
    wrong = [day for day in whole["days"] if day["down_seconds"] or day["unknown_seconds"]]
    table(("day", "up", "outages", "down", "unknown"), [(day["day"], *_figures(day)) for day in wrong], "")


def _figures(one: Counted) -> tuple[str, int, timedelta, timedelta]:
    """How much of it, how many outages, how long down and how long unknown."""
    down, unknown = (timedelta(seconds=one[f"{what}_seconds"]) for what in ("down", "unknown"))
    return "unknown" if one["percent"] is None else f"{one['percent']} %", one["outages"], down, unknown


def _kind(day: Counted) -> str:
    """As `monitor.uptime.Uptime.kind`."""
    return next((kind for kind, what in SHOWN_FIRST.items() if day[f"{what}_seconds"]), "none")


def _span(seconds: float) -> str:
    return spell(timedelta(seconds=seconds)) if seconds else "none"
