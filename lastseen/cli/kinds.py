"""`lastseen kinds`: thresholds that machines have in common."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lastseen.cli.options import naming, own
from lastseen.cli.output import Json, answer, print_json, seconds, table
from lastseen.cli.session import call, settings
from lastseen.cli.where import there

app = typer.Typer(help="Thresholds that machines have in common.", no_args_is_help=True)


def _table(kinds: list[dict[str, Any]]) -> None:
    default = settings().offline_threshold.total_seconds() if there() is None else None

    def limit(value: float | None) -> str:
        if value is None:
            return "the default" if default is None else f"{limit(default)} (the default)"
        return "never" if value == 0 else seconds(value)

    rows = [
        (kind["name"], limit(kind["offline_after_seconds"]), kind["every_seconds"] and seconds(kind["every_seconds"]))
        for kind in kinds
    ]
    table(("kind", "offline after", "reports every"), rows, "No kinds.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List kinds; `offline_after_seconds` 0 is never, null is MACHINE_OFFLINE_THRESHOLD."""

    from lastseen.manage import kinds

    found = call(kinds.listed)
    if as_json:
        print_json(found)
    else:
        _table(found)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The kind; no machine is of it.")], as_json: Json = False
) -> None:
    """Remove a kind that nothing uses."""
    from lastseen.manage import kinds

    answer(as_json, call(kinds.remove, name), f"the kind {name} is removed")


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The kind; made when there is none.")],
    offline_after: Annotated[str | None, typer.Option(help="90s, 2m, never, or `default`.")] = None,
    every: Annotated[str | None, typer.Option(help="How often its machines report; `none` takes it back.")] = None,
    as_json: Json = False,
) -> None:
    """Make or change a kind; its machines are looked at again at once."""
    from lastseen.manage import kinds

    given = {"offline_after": offline_after, "every": every}
    said = {field: own(value) for field, value in given.items() if value is not None}
    flags = {"name": "NAME", **{field: f"--{field.replace('_', '-')}" for field in given}}
    with naming(lambda field: flags.get(field, field)):
        kind = call(kinds.put, name, **said)
    if as_json:
        print_json(kind)
    else:
        _table([kind])
