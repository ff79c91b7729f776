"""SqlStore on PostgreSQL keeps what every store promises."""

from __future__ import annotations

import pytest

from lastseen.protocols import Store
from lastseen.storage.postgres import PostgresDatabase
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql import SqlStore
from lastseen.testing import StoreSuite
from tests.servers.postgres import PostgresServer

KEY = "2yOqL2zRyW0y3hB0t2dR5wXzJ2Cq5o0o8c1yGmX7wqE="


class TestPostgresStore(StoreSuite):
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
    def _server(self, postgres_server: PostgresServer) -> None:
        self._postgres = postgres_server

    def make(self) -> Store:
        return SqlStore(PostgresDatabase(self._postgres.migrated(), "check"), SecretBox(key_text=KEY))
