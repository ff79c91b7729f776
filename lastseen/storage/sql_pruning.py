"""SqlStore does not grow for ever."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from lastseen.model.retention import Keep, Pruned
from lastseen.storage import sql_retention

if TYPE_CHECKING:
    from lastseen.storage.sql_reading import Database


class SqlPruning:
    """A part of SqlStore, on its database."""

    database: Database

    # -- Retention

    async def prune(self, keep: Keep, now: datetime, after: str | None = None, limit: int = 500) -> Pruned:
        found = await self.database.read(lambda c: sql_retention.find(c, keep, now, after, limit))
        if not found.ids:
            return Pruned(after=sql_retention.written(found.place))  # the one writer is not kept from its work
        return await self.database.write_beside(lambda c: sql_retention.remove(c, keep, found, now, after, limit))
