"""When keys were last used: noted in memory, and written down once a minute.

Every use of a key that is no one machine's (of the API, a fleet or a project) is noted, so it is known to within a
minute. Of a machine's own keys, of which there may be 100,000 that are used all the time, one use in an hour is: 30
rows a second instead of 1,700.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from lastseen.ingest.writing import kept_up
from lastseen.log import get_logger
from lastseen.protocols import Keys

WRITE_EVERY = 60.0
"""Seconds between two writings, when there is something to write."""

OF_A_MACHINE: Final = 59 * 60.0
"""Seconds in which the use of a machine's own key is noted once: an hour, less what it waits to be written."""

AT_ONCE = 1000
"""Keys that are written in one transaction: heartbeats are written between two."""

ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)

_log = get_logger()


def next_note(key_id: int, used_at: datetime) -> datetime:
    """From when on the use of a machine's key is to be noted again. Each key has a second of its own for that, the same
    on all nodes: keys that were all noted together, as after an upgrade, do not stay together."""
    begun = (used_at.timestamp() - key_id) % OF_A_MACHINE
    return used_at + timedelta(seconds=OF_A_MACHINE - begun)


class UsedKeys:
    """What this process has not written down yet: lost when it is killed."""

    def __init__(self) -> None:
        self._used: dict[int, datetime] = {}

    def note(self, key_id: int, now: datetime) -> None:
        self._used[key_id] = now

    async def write(self, store: Keys) -> None:
        """Raises StoreUnavailable: then nothing is lost, and the rest is written with the next."""
        taken, self._used = self._used, {}
        try:
            while taken:
                some = dict(islice(taken.items(), AT_ONCE))
                await store.keys_used(some)
                for key_id in some:
                    del taken[key_id]
        except BaseException:
            self._used = {**taken, **self._used}
            raise

    def written(self, store: Any) -> AbstractAsyncContextManager[None]:
        """They are written down for as long, and once more at the end."""
        return kept_up(lambda: self.write(store), WRITE_EVERY, _tell)


def _tell(error: Exception) -> None:
    _log.error("key_uses_not_written", error=repr(error))
