"""`lastseen events`: what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from lastseen.cli.output import Json, local, print_json, table
from lastseen.cli.session import ask
from lastseen.errors import UnknownMachine

Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")]


def events(
    machine: Annotated[str | None, typer.Option(help="Only of this machine (slug or id).")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only of this type, such as machine.offline.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List what happened, newest first."""

    async def work(monitor: Any) -> list[Mapping[str, Any]]:
        return list(await _read(monitor, machine, type_, limit))

    found = ask(work)
    if as_json:
        print_json([dict(event) for event in found])
        return
    table(
        ("id", "at", "event", "machine", "status", "reason"),
        [(e["id"], local(e["at"]), e["type"], e["machine"], e["status"], e["reason"]) for e in found],
        "Nothing like that has happened." if machine or type_ else "Nothing has happened yet.",
    )


async def _read(monitor: Any, machine: str | None, type_: str | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """Digits are tried as a slug, then as an id. Removed machines have a history too."""
    from lastseen.manage.machines import id_in

    try:
        found: Sequence[Mapping[str, Any]] = await monitor.store.events(machine, type_, limit)
    except UnknownMachine:
        number = None if machine is None else id_in(machine)
        if number is None:
            raise
        found = await monitor.store.events(number, type_, limit)
    return found
