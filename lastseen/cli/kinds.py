"""`lastseen kinds`: thresholds that machines have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from lastseen.cli.options import own
from lastseen.cli.output import Json, print_json, table
from lastseen.cli.session import ask
from lastseen.durations import NEVER, parse_duration, parse_threshold, spell

app = typer.Typer(help="Thresholds that machines have in common.", no_args_is_help=True)


def _describe(kind: Any) -> dict[str, Any]:
    return {
        "name": kind.name,
        "offline_after_seconds": _seconds(kind.offline_after),
        "every_seconds": _seconds(kind.every),
    }


def _seconds(value: timedelta | None) -> int | float | None:
    if value is None:
        return None
    number = value.total_seconds()
    return int(number) if number.is_integer() else number


def _table(kinds: list[Any]) -> None:
    def limit(value: timedelta | None) -> str:
        return "never" if value == NEVER else "the default" if value is None else spell(value)

    rows = [(kind.name, limit(kind.offline_after), kind.every and spell(kind.every)) for kind in kinds]
    table(("kind", "offline after", "reports every"), rows, "No kinds.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List kinds; `offline_after_seconds` 0 is never, null is MACHINE_OFFLINE_THRESHOLD."""

    async def work(monitor: Any) -> list[Any]:
        return list(await monitor.store.kinds())

    kinds = ask(work)
    if as_json:
        print_json([_describe(kind) for kind in kinds])
    else:
        _table(kinds)


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The kind; made when there is none.")],
    offline_after: Annotated[str | None, typer.Option(help="90s, 2m, never, or `default`.")] = None,
    every: Annotated[str | None, typer.Option(help="How often its machines report; `none` takes it back.")] = None,
    as_json: Json = False,
) -> None:
    """Make or change a kind; its machines are looked at again at once."""
    from lastseen.model import Kind, replace

    async def work(monitor: Any) -> Any:
        kind = next((k for k in await monitor.store.kinds() if k.name == name), Kind(name))
        if offline_after is not None:
            kind = replace(kind, offline_after=parse_threshold(own(offline_after), "--offline-after"))
        if every is not None:
            kind = replace(kind, every=parse_duration(every, "--every") if own(every) else None)
        return await monitor.store.set_kind(kind, monitor.clock.now())

    kind = ask(work)
    if as_json:
        print_json(_describe(kind))
    else:
        _table([kind])
