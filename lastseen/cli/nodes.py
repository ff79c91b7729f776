"""`lastseen nodes`: the processes that watch on this database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import typer

from lastseen.cli.output import Json, print_json, table
from lastseen.cli.session import call
from lastseen.model import Node
from lastseen.model.node import differences

DUTIES = {"channel": "channels it sends on:", "poller": "bots it reads:", "listener": "what cannot be shared of"}
"""By how the names of leases begin."""


def nodes(as_json: Json = False) -> None:
    """List the processes that watch on this database: which are there, and what each does for all."""
    from lastseen.manage import system

    found = call(system.nodes)
    if as_json:
        print_json(found)
        return
    columns = ("node", "host", "version", "since", "state", "listens to", "has for all")
    rows = [
        (
            *(one[name] for name in ("id", "name", "version", "started_at")),
            "there" if one["there"] else f"silent for {int(one['silent_seconds'])} s",
            ", ".join(one["sources"]),
            _duties(one["lanes"]),
        )
        for one in found
    ]
    table(columns, rows, "No process watches, or has within the last week: lastseen serve")
    for difference in differences(_nodes(found)):
        typer.echo(f"{difference}: each node goes by its own, give all the same", err=True)


def _nodes(found: Iterable[Mapping[str, Any]]) -> list[Node]:
    """Those that are there."""
    return [msgspec.convert(dict(one), Node) for one in found if one["there"]]


def _duties(lanes: Iterable[str]) -> str:
    """What its leases are for."""
    of = {kind: [name.partition(":")[2] for name in lanes if name.startswith(f"{kind}:")] for kind in DUTIES}
    of["channel"] = [str(len(of["channel"]))] if of["channel"] else []
    return "; ".join(f"{DUTIES[kind]} {', '.join(names)}" for kind, names in of.items() if names)
