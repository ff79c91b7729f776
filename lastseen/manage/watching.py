"""Looking on: how everything stands, what is wrong first, and each change as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from lastseen.clock import rfc3339
from lastseen.errors import ConfigurationError
from lastseen.manage import machines
from lastseen.manage.office import Office
from lastseen.model import Status
from lastseen.model.directory import BY_STATUS, DISABLED, Sought
from lastseen.monitor.live import Live
from lastseen.monitor.nodes import AWAY_AFTER
from lastseen.protocols import Nodes
from lastseen.words import say

MOST: Final = 500
"""Machines on a board; of more, those that are wrong come first."""


async def board(office: Office, group: str | None = None, limit: int = MOST) -> dict[str, Any]:
    """`{"at", "watched", "counts": {status, or `disabled`: how many}, "machines": […]}`, each machine as `describe`
    says. First what is wrong, the newest trouble first; then who is late or awaited. Not `watched`: all this is from
    before."""
    sought = Sought(sort="status", groups=(group,) if group else (), seen_by=office.who.seen_by, limit=limit)
    counts = dict.fromkeys((*(status.value for status in BY_STATUS), DISABLED), 0)
    for one in await office.store.census(sought):
        counts[one.state] += one.machines
    found = (await machines.page(office, sought))["items"]
    now, watched = office.monitor.clock.now(), await _watched(office)
    return {"at": rfc3339(now), "watched": watched, "counts": counts, "machines": _ordered(found)}


async def _watched(office: Office) -> bool:
    """This process looks who is silent, or another on its store, which may list none."""
    if office.monitor.running or not isinstance(office.store, Nodes):
        return True
    since = office.monitor.clock.now() - timedelta(seconds=AWAY_AFTER)
    return any(node.alive_at > since for node in await office.store.nodes(office.monitor.clock.now()))


def _ordered(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    newest_first = sorted(found, key=lambda one: str(one["status_since"]), reverse=True)
    waited_for = sorted(newest_first, key=lambda one: not (one["late"] or one["awaited"]))
    return sorted(waited_for, key=lambda one: BY_STATUS.index(Status(one["status"])))


@asynccontextmanager
async def changes(office: Office, group: str | None = None) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """From when this is entered on: `{"event", "machine"}`, the event as `events.listed` has it, the machine's status
    object as it is then; None: it is of no machine, or the machine is gone. `group`: of its machines alone."""
    live: Live[dict[str, Any]] = Live(office.monitor, lambda _, event, machine: {"event": event, "machine": machine})
    if not live.possible:
        raise ConfigurationError(say("this store cannot be followed"))
    async with live.running():
        follower = live.follow()
        await follower.next()  # now it is known where everything stands

        async def each() -> AsyncIterator[dict[str, Any]]:
            while (some := await follower.next()) is not None:
                for one in some:
                    machine = one.frame["machine"]
                    if office.who.sees(one.owner) and (group is None or (machine and machine["group"] == group)):
                        yield one.frame

        yield each()
