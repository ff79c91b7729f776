"""SqlStore on SQLite keeps what every store promises, and has every optional protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastseen.protocols import (
    Accounts,
    Catalog,
    Channels,
    Follows,
    History,
    Keys,
    Leases,
    Refusals,
    Replays,
    Retention,
    Service,
    Sources,
    Store,
    Upkeep,
)
from lastseen.storage import open_store
from lastseen.testing import StoreSuite
from tests.fresh import new_database


class TestSqliteStore(StoreSuite):
    capabilities = frozenset({"leases", "upkeep", "sources", "channels", "catalog", "keys", "history"}) | {
        "accounts",
        "annals",
        "announces",
        "directory",
        "intervals",
        "public",
        "follows",
        "people",
        "deeds",
        "witness",
        "refusals",
        "replays",
        "retention",
        "wishes",
        "ways",
    }

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self._path, self._made = tmp_path, 0

    def make(self) -> Store:
        self._made += 1
        return open_store(new_database(self._path / f"{self._made}.db"))


def test_it_has_every_optional_protocol() -> None:
    store = open_store("sqlite:///never-opened.db")
    optional = (
        Leases,
        Upkeep,
        Sources,
        Channels,
        Catalog,
        Keys,
        Refusals,
        Accounts,
        Replays,
        History,
        Retention,
        Follows,
    )
    for protocol in (Store, Service, *optional):
        assert isinstance(store, protocol), protocol
