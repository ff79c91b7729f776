"""`lastseen nodes`: the processes that watch on this database."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import typer

from lastseen.cli.output import Json, print_json, table
from lastseen.cli.session import ask
from lastseen.clock import rfc3339
from lastseen.errors import ConfigurationError
from lastseen.model import Node
from lastseen.model.node import Difference, differences

DUTIES = {"channel": "channels it sends on:", "poller": "bots it reads:", "listener": "what cannot be shared of"}
"""By how the names of leases begin."""

THERE = "there"


def nodes(as_json: Json = False) -> None:
    """List the processes that watch on this database: which are there, and what each does for all."""
    found, now = ask(_listed)
    if as_json:
        print_json([_facts(node, now) for node in found])
        return
    table(
        ("node", "host", "version", "since", "state", "listens to", "has for all"),
        [
            (
                node.id,
                node.name,
                node.version,
                rfc3339(node.started_at),
                _state(node, now),
                ", ".join(node.sources),
                _duties(node),
            )
            for node in found
        ],
        "No process watches, or has within the last week: lastseen serve",
    )
    for difference in _differing(found, now):
        typer.echo(f"{difference}: each node goes by its own, give all the same", err=True)


async def _listed(monitor: Any) -> tuple[list[Node], datetime]:
    from lastseen.protocols import Nodes

    if not isinstance(monitor.store, Nodes):
        raise ConfigurationError("this store does not list its processes")
    now = monitor.clock.now()
    return list(await monitor.store.nodes(now)), now


def _differing(found: list[Node], now: datetime) -> list[Difference]:
    """Among those that are there."""
    return differences(node for node in found if _state(node, now) == THERE)


def _duties(node: Node) -> str:
    """What its leases are for."""
    of = {kind: [name.partition(":")[2] for name in node.lanes if name.startswith(f"{kind}:")] for kind in DUTIES}
    of["channel"] = [str(len(of["channel"]))] if of["channel"] else []
    return "; ".join(f"{DUTIES[kind]} {', '.join(names)}" for kind, names in of.items() if names)


def _state(node: Node, now: datetime) -> str:
    from lastseen.monitor.nodes import AWAY_AFTER

    silent = (now - node.alive_at).total_seconds()
    return THERE if silent < AWAY_AFTER else f"silent for {int(silent)} s"


def _facts(node: Node, now: datetime) -> dict[str, Any]:
    times = {name: rfc3339(getattr(node, name)) for name in ("started_at", "alive_at")}
    return {**dataclasses.asdict(node), **times, "there": _state(node, now) == THERE}
