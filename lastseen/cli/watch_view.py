"""What `lastseen watch` shows, as lines for a terminal of some size. Pure: what there is goes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lastseen.cli.output import STYLES, local, printable
from lastseen.durations import spell

RECENT = 5
"""Changes at the foot."""

NARROW, WIDE = 50, 80
"""Columns of a terminal, below which less is shown of each machine."""


@dataclass(frozen=True, slots=True)
class Shown:
    """`board` as `watching.board` says; `at` now; `recent` as `watching.changes`, the newest first; `top` is the number
    of the first machine that is shown; `trouble`: why what is shown may be old."""

    board: Mapping[str, Any]
    at: datetime
    recent: Sequence[Mapping[str, Any]] = ()
    top: int = 0
    trouble: str = ""


def picture(shown: Shown, width: int, height: int) -> Group:
    """All lines, of which there are never more than `height`."""
    foot = _foot(shown, height)
    room = max(height - len(foot) - 3, 1)
    machines = shown.board["machines"]
    top = max(min(shown.top, len(machines) - room), 0)
    left = sum(shown.board["counts"].values()) - top - room
    if left > 0:
        foot[0] = Text(f"and {left} more", style="dim")
    return Group(_head(shown), Text(), _machines(machines[top : top + room], shown.at, width), *foot)


def table(shown: Shown, width: int) -> Group:
    """All of it, however long."""
    return Group(_head(shown), Text(), _machines(shown.board["machines"], shown.at, width))


def _machines(machines: Sequence[Mapping[str, Any]], at: datetime, width: int) -> RenderableType:
    if not machines:
        return Text("No machines yet. The first: lastseen machines add NAME")
    return _table(machines, at, width)


def _head(shown: Shown) -> Text:
    head = Text("lastseen", style="bold", no_wrap=True, overflow="ellipsis")
    for status, count in shown.board["counts"].items():
        if count:
            head.append(f"   {count} {status}", style=STYLES.get(status, ""))
    head.append(f"   {local(shown.at)}", style="dim")
    if shown.trouble:
        head.append(f"   {shown.trouble}", style="bold yellow")
    return head


def _foot(shown: Shown, height: int) -> list[Text]:
    some = shown.recent[: min(RECENT, max(height - 8, 0))]
    keys = Text("q ends   ↑ ↓ scroll", style="dim", no_wrap=True, overflow="ellipsis")
    return [Text(), *(_change(one) for one in some), keys]


def _change(change: Mapping[str, Any]) -> Text:
    event = change["event"]
    said = f"{local(event['at'])[11:]}  {event['type']}  {printable(event['machine'] or '')}  {event['reason']}"
    return Text(printable(said), style=STYLES.get(event["type"], ""), no_wrap=True, overflow="ellipsis")


def _table(machines: Iterable[Mapping[str, Any]], at: datetime, width: int) -> Table:
    grid = Table(box=None, show_edge=False, pad_edge=False, header_style="dim", expand=False)
    names = ["machine", "status", "last seen"]
    names += ["since"] if width >= NARROW else []
    names += ["limit", "group"] if width >= WIDE else []
    for name in names:
        grid.add_column(name, no_wrap=True, overflow="ellipsis")
    for machine in machines:
        cells = _cells(machine, at)
        grid.add_row(*(cells[name] for name in names))
    return grid


def _cells(machine: Mapping[str, Any], at: datetime) -> dict[str, Text]:
    status, by = machine["status"], machine.get("acknowledged_by")
    word = "late" if machine["late"] else status
    limit = machine["offline_after_seconds"]
    return {
        "machine": Text(printable(machine["slug"])),
        "status": Text(f"{word}, seen by {printable(by)}" if by else word, style=STYLES.get(word, "")),
        "last seen": Text(_ago(machine["last_seen"], at, "never")),
        "since": Text(_ago(machine["status_since"], at, ""), style="dim"),
        "limit": Text("never" if limit is None else spell(timedelta(seconds=limit)), style="dim"),
        "group": Text(printable(machine["group"]), style="dim"),
    }


def _ago(moment: str | None, at: datetime, never: str) -> str:
    return never if moment is None else f"{spell(at - datetime.fromisoformat(moment))} ago"
