"""MemoryStore keeps what every store promises."""

from __future__ import annotations

from lastseen.storage.memory import MemoryStore
from lastseen.testing import StoreSuite


class TestMemoryStore(StoreSuite):
    capabilities = frozenset(
        {"upkeep", "accounts", "deeds", "directory", "follows", "refusals", "retention", "witness"}
    )

    def make(self) -> MemoryStore:
        return MemoryStore()
