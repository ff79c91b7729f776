"""What commands print: one JSON value for programs, tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Annotated, Any

import typer

from lastseen.durations import spell
from lastseen.errors import ConfigurationError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]

STYLES = {
    "online": "green",
    "delivered": "green",
    "yes": "green",
    "offline": "bold red",
    "dead": "bold red",
    "machine.offline": "red",
    "machine.online": "green",
    "machine.error": "dark_orange",
    "error": "dark_orange",
    "no": "yellow",
    "late": "yellow",
    "awaited": "yellow",
    "sending": "yellow",
    "pending": "yellow",
    "paused": "dim",
    "provisioning": "dim",
    "skipped": "dim",
    "cancelled": "dim",
}


def print_json(value: Any) -> None:
    """One value on standard output, easy on the eye when that is a terminal."""
    text = json.dumps(value, ensure_ascii=False, default=_plain, indent=2 if sys.stdout.isatty() else None)
    sys.stdout.write(text + "\n")


def answer(as_json: bool, value: Any, text: str) -> None:
    """What was done: a value for programs, or a sentence for people."""
    if as_json:
        print_json(value)
    else:
        typer.echo(text)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def rfc3339(value: datetime | None) -> str | None:
    """UTC, as the API writes it."""
    if value is None:
        return None
    text = value.astimezone(UTC).isoformat(timespec="milliseconds" if value.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Rows for people. `empty` is what to do when there is nothing to show."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = [[_cell(value) for value in row] for row in rows]
    if not shown:
        typer.echo(empty)
        return
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in shown:
        grid.add_row(*(Text(value, style=STYLES.get(value, "")) for value in row))
    # Nothing is cut off for a pipe or a file: programs and grep want whole lines.
    Console(width=None if sys.stdout.isatty() else 400).print(grid)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """One thing for people: a name and a value a line; what is not set is left out."""
    shown = [(name, _cell(value)) for name, value in pairs if value not in (None, "", (), [])]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        typer.echo(f"{name:<{width}}  {value}")


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return local(value)
    if isinstance(value, timedelta):
        return spell(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return printable(str(value))


def printable(text: str) -> str:
    """Without characters that move the cursor: names come from outside."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def local(value: datetime | str | None) -> str:
    """A time as a person here reads it."""
    if value is None:
        return "–"
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(zone()).strftime("%Y-%m-%d %H:%M:%S")


@cache
def zone() -> tzinfo | None:
    """The one that times are read in too; None: the computer's. A command asks once."""
    from lastseen.cli.session import settings

    try:
        found: tzinfo | None = settings().timezone
    except ConfigurationError:  # some commands go by no settings, and print times
        return None
    return found


def since_of(machine: Mapping[str, Any]) -> str:
    """From when on it is how it is. A server from before it said so knows when that was noticed."""
    return str(machine.get("since") or machine["status_since"])


def status_word(machine: Mapping[str, Any]) -> str:
    """How a machine that is watched is, in one word. A server from before it said who is awaited does not know."""
    if machine["status"] == "online" and machine.get("awaited"):
        return "awaited"
    return "late" if machine["status"] == "online" and machine["late"] else str(machine["status"])


def seconds(value: float | None, never: str = "never") -> str:
    return never if value is None else spell(timedelta(seconds=value))
