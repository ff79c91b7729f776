"""What `lastseen machines` says of jobs: when they are due, how long they may take, how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from lastseen.cli.output import local, rfc3339, seconds, table
from lastseen.cli.session import settings

if TYPE_CHECKING:
    from lastseen.model import Machine

SHOWN = 3
"""Due times and runs that are listed."""


def with_zone(said: Mapping[str, Any], machine: Machine | None = None) -> dict[str, Any]:
    """A schedule without a zone is meant in the one that people here read times in. It is written down, so that another
    setting later does not move the job."""
    from lastseen.monitor.calendar import names_zone

    done = dict(said)
    known = machine is not None and machine.timezone is not None
    if done.get("schedule") and "timezone" not in done and not known and not names_zone(done["schedule"]):
        zone = settings().timezone
        if zone is not None:
            done["timezone"] = zone.key
    return done


def check_coming(said: Mapping[str, Any], now: datetime) -> None:
    """A schedule that will not come is refused while somebody is there to read it."""
    from lastseen.monitor.calendar import check_schedule

    if said.get("schedule"):
        check_schedule(said["schedule"], said.get("timezone"), now)


def described(machine: Machine) -> dict[str, Any]:
    """What every listing says of it. The spans are those that hold, its own or not."""
    from lastseen.monitor.runs import grace_of, runtime_of
    from lastseen.monitor.snapshot import whole_seconds

    return {
        "schedule": machine.schedule,
        "timezone": machine.timezone,
        "grace_seconds": whole_seconds(grace_of(machine)) if machine.schedule else None,
        "max_runtime_seconds": whole_seconds(runtime_of(machine)),
    }


async def details(monitor: Any, machine: Machine) -> dict[str, Any]:
    """What is said where one machine is shown: its next times, its last runs."""
    from lastseen.monitor.calendar import upcoming

    due = upcoming(machine.schedule, machine.timezone, monitor.clock.now(), SHOWN) if machine.schedule else []
    return {
        "next_due": [rfc3339(one.at) for one in due],
        "runs": list(await monitor.store.runs(machine.id, SHOWN)),
    }


def facts_of(shown: Mapping[str, Any]) -> list[tuple[str, object]]:
    """The same for people."""
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
