"""`lastseen events`: what happened."""

from __future__ import annotations

from typing import Annotated

import typer

from lastseen.cli.output import Json, local, print_json, table
from lastseen.cli.session import call

Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")]


def events(
    machine: Annotated[str | None, typer.Option(help="Only of this machine (slug or id).")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only of this type, such as machine.offline.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List what happened, newest first."""

    from lastseen.manage import events as verbs

    found = call(verbs.listed, machine, type_, limit)
    if as_json:
        print_json(found)
        return
    table(
        ("id", "at", "event", "machine", "status", "reason"),
        [(e["id"], local(e["at"]), e["type"], e["machine"], e["status"], e["reason"]) for e in found],
        "Nothing like that has happened." if machine or type_ else "Nothing has happened yet.",
    )
