"""When API keys were last used: noted in memory, and written down once a minute."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from lastseen.ingest.writing import kept_up
from lastseen.log import get_logger
from lastseen.protocols import Keys

WRITE_EVERY = 60.0
"""Seconds between two writings, when there is something to write."""

_log = get_logger()


class UsedKeys:
    """What this process has not written down yet: lost when it is killed."""

    def __init__(self) -> None:
        self._used: dict[int, datetime] = {}

    def note(self, key_id: int, now: datetime) -> None:
        self._used[key_id] = now

    async def write(self, store: Keys) -> None:
        """Raises StoreUnavailable: then nothing is lost, and it is written with the next."""
        taken, self._used = self._used, {}
        if not taken:
            return
        try:
            await store.keys_used(taken)
        except BaseException:
            self._used = {**taken, **self._used}
            raise

    def written(self, store: Any) -> AbstractAsyncContextManager[None]:
        """They are written down for as long, and once more at the end."""
        return kept_up(lambda: self.write(store), WRITE_EVERY, _tell)


def _tell(error: Exception) -> None:
    _log.error("key_uses_not_written", error=repr(error))
