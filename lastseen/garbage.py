"""How often Python looks for garbage in cycles.

Heartbeats on their way are many small objects that live for a moment, and in no cycles; importing makes some 200,000
that stay. With Python's threshold of 700 the collector walks through them again and again: a seventh of the time until
a server is ready, and a third of the time that a batch of 10,000 heartbeats takes.
"""

from __future__ import annotations

import gc

ALLOCATIONS = 20_000
"""More objects made than given back, before the collector looks at the newest."""


def collect_seldom() -> None:
    gc.set_threshold(ALLOCATIONS, 20, 20)


def leave_what_is_there() -> None:
    """What has been imported by now is not looked at again. Nothing is collected before: there is next to nothing, and
    it takes a tenth of a second."""
    gc.freeze()
