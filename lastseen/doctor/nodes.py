"""The processes that work on the database: they have to go by the same settings."""

from __future__ import annotations

from datetime import timedelta

from lastseen.doctor.finding import Checked, Finding, Severity, counted
from lastseen.doctor.subject import Subject
from lastseen.model.node import differences
from lastseen.monitor.nodes import AWAY_AFTER
from lastseen.protocols import Nodes

_DO = "give all nodes the same, and restart those that differ: what is decided depends on the node until then"


async def nodes(subject: Subject) -> Checked:
    if not isinstance(subject.store, Nodes):
        return Checked("this store does not list them")
    since = subject.now - timedelta(seconds=AWAY_AFTER)
    there = [node for node in await subject.store.nodes(subject.now) if node.alive_at > since]
    found = [Finding(Severity.WARNING, "nodes.differ", str(difference), _DO) for difference in differences(there)]
    alike = ", which differ" if found else ", alike" if len(there) > 1 else ""
    return Checked(counted(len(there), "node") + alike, tuple(found))
