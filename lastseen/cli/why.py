"""`lastseen why`: what happened to a machine, who was told, and who was not, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from lastseen.cli.options import naming
from lastseen.cli.output import Json, print_json, printable
from lastseen.cli.session import call, settings
from lastseen.clock import SystemClock


def why(
    machine: Annotated[str, typer.Argument(metavar="SLUG-OR-ID", help="The machine.")],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Around this time: 03:12 (the latest past one), Tue 03:12, 2026-06-01T03:12."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what happened to a machine, who was told of it, and why somebody was not."""
    from lastseen.manage import why as verbs
    from lastseen.monitor.story_layout import printed
    from lastseen.notifiers.wording import When

    with naming(lambda field: f"--{field}" if field == "at" else field):
        told = call(verbs.described, machine, at)
    if as_json:
        print_json(told)
    else:
        typer.echo(printable(printed(told, When(SystemClock().now(), settings().timezone))))
