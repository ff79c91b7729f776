"""What is said of jobs: when they are due, how long they may take, how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lastseen.clock import rfc3339
from lastseen.manage.office import Office
from lastseen.model import Machine
from lastseen.monitor.calendar import check_schedule, names_zone, upcoming
from lastseen.monitor.changes import checked
from lastseen.monitor.runs import grace_of, runtime_of
from lastseen.monitor.snapshot import whole_seconds

SHOWN = 3
"""Due times and runs that are listed."""


def with_zone(office: Office, said: Mapping[str, Any], machine: Machine | None = None) -> dict[str, Any]:
    """A schedule without a zone is meant in the one that the settings name, wherever who says it reads times. It is
    written down, so that another setting later does not move the job. Raises InvalidInput for one that will not come,
    while somebody is there to read it."""
    done = dict(said)
    if not done.get("schedule"):
        return done
    checked(done)  # all that is wrong, before what is wrong with this alone
    check_schedule(done["schedule"], done.get("timezone"), office.monitor.clock.now())
    known = machine is not None and machine.timezone is not None
    if "timezone" not in done and not known and not names_zone(done["schedule"]) and office.own_zone is not None:
        done["timezone"] = office.own_zone.key
    return done


def zone_of(schedule: str, timezone: str | None) -> str:
    """In which it is meant; "" where it says so itself."""
    return timezone or ("" if names_zone(schedule) else "UTC")


def described(machine: Machine) -> dict[str, Any]:
    """What every listing says of it. The spans are those that hold, its own or not."""
    return {
        "schedule": machine.schedule,
        "timezone": machine.timezone,
        "grace_seconds": whole_seconds(grace_of(machine)) if machine.schedule else None,
        "max_runtime_seconds": whole_seconds(runtime_of(machine)),
    }


async def details(office: Office, machine: Machine, now: datetime) -> dict[str, Any]:
    """What is said where one machine is shown: its next times, its last runs."""
    due = upcoming(machine.schedule, machine.timezone, now, SHOWN) if machine.schedule else []
    return {
        "next_due": [rfc3339(one.at) for one in due],
        "runs": list(await office.store.runs(machine.id, SHOWN)),
    }
