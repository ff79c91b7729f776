"""What `lastseen machines` says of jobs: when they are due, how long they may take, how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from lastseen.cli.output import local, seconds, table


def facts_of(shown: Mapping[str, Any]) -> list[tuple[str, object]]:
    """What `show` says of a machine, for people."""
    zone = shown["timezone"]
    scheduled = shown["schedule"] is not None
    return [
        ("schedule", f"{shown['schedule']} ({zone})" if zone else shown["schedule"]),
        ("next due", [local(at) for at in shown["next_due"]]),
        ("grace", seconds(shown["grace_seconds"]) if scheduled else None),
        ("may take", seconds(shown["max_runtime_seconds"]) if scheduled or shown["runs"] else None),
    ]


def print_runs(shown: Mapping[str, Any]) -> None:
    """The last runs as a table; nothing where there are none."""
    if not shown["runs"]:
        return
    typer.echo("")
    table(
        ("run", "ended", "took", "outcome", "exit", "last line"),
        [
            (
                local(run["started_at"]) if run["started_at"] else None,
                local(run["ended_at"]) if run["ended_at"] else None,
                None if run["seconds"] is None else seconds(run["seconds"]),
                run["outcome"] or "runs",
                run["exit_code"],
                run["last_line"],
            )
            for run in shown["runs"]
        ],
        "",
    )
