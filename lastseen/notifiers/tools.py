"""What a notifier is handed beside its config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from lastseen.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True)
class Tools:
    """`http` is guarded, timed out, pooled, and belongs to whoever made it: a notifier does not close it. `servers` are
    addresses of far ends that are not at their usual place, by the notifier's type (`telegram`: a Bot API server)."""

    http: httpx.AsyncClient
    clock: Clock = field(default_factory=SystemClock)
    servers: Mapping[str, str] = field(default_factory=dict)


def local_tools() -> Tools:
    """For notifiers that a program makes itself: they may reach private addresses too. The client is to be closed."""
    from lastseen.notifiers.guard import Policy, guarded_client

    return Tools(guarded_client(Policy(allow_private=True)))
