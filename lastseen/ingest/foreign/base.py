"""What the routes share that answer other systems' clients."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from lastseen.ingest.bulk import Declaring
from lastseen.model import MachineRef
from lastseen.problems import Problem

_UNDERSTOOD = frozenset({"Retry-After", "Connection", "Accept-Encoding"})


class Reporting(Declaring, Protocol):
    """A monitor that also takes paused machines up again."""

    def resume(self, machine: MachineRef) -> Awaitable[None]: ...


def passed_on(problem: Problem) -> dict[str, str]:
    """The headers of a refusal that any client understands."""
    return {name: value for name, value in problem.headers.items() if name in _UNDERSTOOD}
