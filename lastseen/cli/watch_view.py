"""What `lastseen watch` shows, as lines for a terminal of some size. Pure: what there is goes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lastseen.cli.output import STYLES, local, printable, since_of, status_word
from lastseen.durations import spell

RECENT = 5
"""Changes at the foot."""

COLUMNS = ("machine", "status", "last seen", "since", "limit", "group")
DISPENSABLE = ("group", "limit", "since")
"""Columns that are left out where there is no room for them, the first of them first."""

LEAST = {"group": 8, "machine": 12}
"""So narrow these may become before a column is left out; how it is and when it was heard is not cut."""

SEEN_BY = 24
"""So wide is the status left before names are cut: who has seen it may be called anything."""

GAP = 2
"""Columns of a terminal between two of ours."""


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
        return Text("No such machines yet: lastseen machines add NAME")
    return _table(machines, at, width)


def _head(shown: Shown) -> Text:
    head = Text("lastseen", style="bold", no_wrap=True, overflow="ellipsis")
    for status, count in shown.board["counts"].items():
        if count:
            head.append(f"   {count} {status}", style=STYLES.get(status, ""))
    head.append(f"   {local(shown.at)}", style="dim")
    if not shown.board.get("watched", True):
        head.append("   nobody watches: no server runs (lastseen serve)", style="bold red")
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


def _table(machines: Sequence[Mapping[str, Any]], at: datetime, width: int) -> Table:
    grid = Table(box=None, show_edge=False, pad_edge=False, padding=(0, GAP // 2), header_style="dim", expand=False)
    rows = [_cells(machine, at) for machine in machines]
    widths = _widths(rows, [_word(machine) for machine in machines], width)
    for name, columns in widths.items():
        grid.add_column(name, no_wrap=True, overflow="ellipsis", width=columns)
    for row in rows:
        grid.add_row(*(row[name] for name in widths))
    return grid


def _widths(rows: Sequence[Mapping[str, Text]], words: Sequence[str], width: int) -> dict[str, int]:
    """Of the columns that are shown. Long groups become shorter first, then who has seen it, then long names."""
    wanted = {name: max(len(name), *(row[name].cell_len for row in rows)) for name in COLUMNS}
    least = {name: min(wanted[name], LEAST.get(name, wanted[name])) for name in COLUMNS}
    least["status"] = max(len("status"), *map(len, words))
    for name in DISPENSABLE:
        if sum(least.values()) + GAP * (len(least) - 1) <= width:
            break
        del wanted[name], least[name]
    over = sum(wanted.values()) + GAP * (len(wanted) - 1) - width
    floors = {"group": least.get("group", 0), "status": max(SEEN_BY, least["status"]), "machine": least["machine"]}
    for name, floor in (*floors.items(), ("status", least["status"])):
        if name in wanted:
            less = max(min(over, wanted[name] - floor), 0)
            wanted[name], over = wanted[name] - less, over - less
    return wanted


def _word(machine: Mapping[str, Any]) -> str:
    if not machine.get("enabled", True):
        return "disabled"
    return status_word(machine)


def _cells(machine: Mapping[str, Any], at: datetime) -> dict[str, Text]:
    word, by = _word(machine), machine.get("acknowledged_by")
    seconds = machine["offline_after_seconds"]
    limit = "never" if seconds is None else spell(timedelta(seconds=seconds))
    return {
        "machine": Text(printable(machine["slug"])),
        "status": Text(f"{word}, seen by {printable(by)}" if by else word, style=STYLES.get(word, "")),
        "last seen": Text(_ago(machine["last_seen"], at, "never")),
        "since": Text(_ago(since_of(machine), at, ""), style="dim"),
        "limit": Text(printable(machine.get("schedule") or limit), style="dim"),
        "group": Text(printable(machine["group"]), style="dim"),
    }


def _ago(moment: str | None, at: datetime, never: str) -> str:
    return never if moment is None else f"{spell(at - datetime.fromisoformat(moment))} ago"
