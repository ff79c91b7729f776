"""A look at everything, for people: what is wrong, and what to do about it. `lastseen doctor` prints it.

`CHECKS` are run in order by `examine`, each on one `Subject`. A check reads, and writes nothing but a small file in the
data folder that is removed again. What a check cannot find out is a finding too, never an exception.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from lastseen.doctor.computer import clock, disk, folder, settings
from lastseen.doctor.database import database
from lastseen.doctor.finding import Checked, Finding, Severity
from lastseen.doctor.growth import history
from lastseen.doctor.hearing import keys, machines, server, sources
from lastseen.doctor.nodes import nodes
from lastseen.doctor.people import people
from lastseen.doctor.plugins import plugins
from lastseen.doctor.subject import Serving, Site, Subject
from lastseen.doctor.telling import channels, notifications
from lastseen.errors import LastseenError
from lastseen.log import get_logger

__all__ = ["CHECKS", "Check", "Checked", "Finding", "Serving", "Severity", "Site", "Subject", "examine"]

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Check:
    """One part. `title` is what is said while it runs."""

    name: str
    title: str
    run: Callable[[Subject], Awaitable[Checked]]
    needs_store: bool = True


CHECKS: Final = (
    Check("settings", "Reading the settings", settings, needs_store=False),
    Check("folder", "Looking at the data folder", folder, needs_store=False),
    Check("disk", "Measuring the disk", disk, needs_store=False),
    Check("database", "Reading every page of the database", database, needs_store=False),
    Check("history", "Counting what is kept", history),
    Check("clock", "Comparing clocks", clock, needs_store=False),
    Check("server", "Asking the server", server),
    Check("nodes", "Comparing the nodes", nodes),
    Check("sources", "Looking at what is heard, and what is not", sources),
    Check("machines", "Looking for machines that never reported", machines),
    Check("keys", "Looking for keys that have expired or are refused", keys),
    Check("people", "Looking at who may come in", people),
    Check("plugins", "Looking for plugins that do not load", plugins, needs_store=False),
    Check("channels", "Looking at the channels", channels),
    Check("notifications", "Looking for what was not told", notifications),
)


async def examine(check: Check, subject: Subject) -> Checked | None:
    """What the check found; None: it needs the store, which cannot be opened (the check of the database says so)."""
    if check.needs_store and subject.store is None:
        return None
    try:
        return await check.run(subject)
    except LastseenError as error:
        reason = str(error)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except Exception as error:  # noqa: BLE001  (the other checks go on; it is told and logged)
        _log.error("doctor_check_failed", check=check.name, error=repr(error))
        reason = f"unexpected {type(error).__name__}"
    return Checked("", (Finding(Severity.BAD, f"{check.name}.unreadable", f"this could not be looked at: {reason}"),))
