"""How the server itself fares, for who looks after it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lastseen.clock import rfc3339
from lastseen.errors import ConfigurationError, Forbidden
from lastseen.manage.channels import FAR_END
from lastseen.manage.office import Office
from lastseen.model import Node
from lastseen.model.insight import ChannelCheck
from lastseen.monitor.nodes import AWAY_AFTER
from lastseen.protocols import Nodes
from lastseen.release import version
from lastseen.words import say


async def health(office: Office) -> dict[str, Any]:
    """What is wrong with the watching (`troubles`), what could not be told (`dead`, of the last, and `dead_count`), how
    channels fare, what is waiting, and how the database grows. For admins. Raises Forbidden."""
    if not office.who.is_admin:
        raise Forbidden(say("only an admin sees how the server fares"))
    monitor, store, now = office.monitor, office.store, office.monitor.clock.now()
    checkup, gauges = await store.checkup(now), await store.gauges(now)
    return {
        "version": version(),
        "troubles": [
            {"part": one.part.value, "reason": one.reason, "since": rfc3339(one.since)}
            for one in await monitor.health()
        ],
        "waiting": sum(gauges.outbox.values()),
        "oldest": rfc3339(gauges.oldest),
        "dead": [
            {"id": one.id, "channel": one.channel, "reason": one.reason, "at": rfc3339(one.at), "machine": one.machine}
            for one in checkup.dead
        ],
        "dead_count": checkup.dead_count,
        "failing": [found for one in checkup.channels if (found := _failing(one)) is not None],
        "unheard": [{"machine": name, "since": rfc3339(at)} for name, at in checkup.unheard.rows],
        "unheard_count": checkup.unheard.count,
        "bytes": dict(gauges.sizes),
        "tables": [
            {"name": str(one.name), "rows": one.rows, "oldest": rfc3339(one.oldest), "recent": one.recent}
            for one in checkup.tables
        ],
    }


def _failing(one: ChannelCheck) -> dict[str, Any] | None:
    """`switched_off`: by its far end, and nothing is told there until somebody enables it. None: it does not fail, or
    a person switched it off."""
    off = not one.enabled and one.disabled_by == FAR_END
    if not off and (not one.enabled or one.failing_since is None):
        return None
    detail = one.disabled_reason or "" if off else one.detail
    since = rfc3339(one.failing_since)
    return {"name": one.name, "type": one.type, "since": since, "detail": detail, "switched_off": off}


async def nodes(office: Office) -> list[dict[str, Any]]:
    """The processes that watch on this database, or have within the last week, each as `Node` and whether it is
    `there`. For admins. Raises Forbidden, ConfigurationError."""
    if not office.who.is_admin:
        raise Forbidden(say("only an admin sees how the server fares"))
    if not isinstance(office.store, Nodes):
        raise ConfigurationError(say("this store does not list its processes"))
    now = office.monitor.clock.now()
    return [_node(one, (now - one.alive_at).total_seconds()) for one in await office.store.nodes(now)]


def _node(node: Node, silent: float) -> dict[str, Any]:
    return {
        **asdict(node),
        "started_at": rfc3339(node.started_at),
        "alive_at": rfc3339(node.alive_at),
        "there": silent < AWAY_AFTER,
        "silent_seconds": max(silent, 0.0),
    }
