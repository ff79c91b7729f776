"""How machines stand, for whoever shows that elsewhere: everybody once, and then those of whom there is news."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lastseen.model import Standing
from lastseen.protocols import Catalog, History, Store

PAGE = 500

WINDOW, WIDEST = 200, 6400
"""Events that are looked at for news, and how many at most where many are new."""

LOOKS = 20
"""Looks for which an event may come late. Events are numbered before they are committed: where several processes decide
at once, one with a smaller number may be there after many with greater ones."""


@dataclass(frozen=True, slots=True)
class News:
    """Machines as they are now, and the slugs of those that were removed."""

    standings: Sequence[Standing]
    gone: Sequence[str]


class Feed:
    """Of a store that lists machines and events. Every reader has a feed of its own."""

    def __init__(self, store: Store) -> None:
        self._catalog = store if isinstance(store, Catalog) else None
        self._history = store if isinstance(store, History) else None
        self._store = store
        self._seen: set[int] = set()  # ids, of events that come after the one to which the looks go back
        self._newest_of: deque[int] = deque(maxlen=LOOKS)  # the greatest id at each of the last looks

    @property
    def possible(self) -> bool:
        return self._catalog is not None and self._history is not None

    async def begin(self) -> None:
        """What happens from here on is news. Raises StoreUnavailable, as all of these."""
        found = [event["id"] for event in await self._newest(4 * WINDOW)]
        self._seen = set(found)
        self._newest_of = deque([min(found, default=1) - 1], LOOKS)

    async def everybody(self) -> AsyncIterator[Sequence[Standing]]:
        """All machines, some at a time."""
        after = 0
        while self._catalog is not None:
            some = await self._catalog.machines(after, PAGE)
            if not some:
                return
            yield some
            after = some[-1].machine.id

    async def news(self) -> News | None:
        """Since this was asked before. None: too much to follow, and everybody is to be looked at again."""
        limit, since = WINDOW, self._newest_of[0]
        while True:
            newest = await self._newest(limit)
            if len(newest) < limit or newest[-1]["id"] <= since:
                break
            if limit >= WIDEST:
                return None
            limit *= 2
        late = [event for event in newest if event["id"] > since]
        new = [event for event in late if event["id"] not in self._seen]
        self._newest_of.append(max([self._newest_of[-1], *(event["id"] for event in late[:1])]))
        self._seen = {event["id"] for event in late if event["id"] > self._newest_of[0]}
        slugs = {event["machine_id"]: event["machine"] for event in new if event["machine_id"] is not None}
        if not slugs:
            return News((), ())
        found = await self._store.liveness(list(slugs))
        present = {standing.machine.slug for standing in found.values()}
        return News(list(found.values()), [s for ref, s in slugs.items() if ref not in found and s not in present])

    async def unknown(self, slugs: Collection[str]) -> list[str]:
        """Those of these slugs that no machine has."""
        known = await self._store.liveness(list(slugs))
        return [slug for slug in slugs if slug not in known]

    async def _newest(self, limit: int) -> Sequence[Mapping[str, Any]]:
        return () if self._history is None else await self._history.events(limit=limit)
