"""SqlStore keeps a store's promises when PostgreSQL keeps `liveness` in parts, as docs/scale.md says that it may: what
is recorded and decided there. `make chaos` runs all of the suite."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import psycopg
import pytest

from lastseen.protocols import Store
from lastseen.storage.postgres import PostgresDatabase
from lastseen.storage.secrets import SecretBox
from lastseen.storage.sql import SqlStore
from lastseen.testing.suite_record import RecordSuite
from lastseen.testing.suite_settle import SettleSuite
from tests.servers.postgres import PostgresServer
from tests.storage.test_suite_postgres import KEY

PARTS = Path(__file__).parents[3] / "deploy" / "postgres" / "partition-liveness.sql"


@lru_cache
def template(server: PostgresServer) -> str:
    """The name of a database whose liveness stands in parts."""
    url = server.migrated()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(PARTS.read_bytes())
    return url.rpartition("/")[2]


def partitioned(server: PostgresServer) -> str:
    """The URL of a new one like it."""
    return server.url(server.database(template(server)))


class InParts:
    """The store that is tried."""

    @pytest.fixture(autouse=True)
    def _server(self, postgres_server: PostgresServer) -> None:
        self._postgres = postgres_server

    def make(self) -> Store:
        return SqlStore(PostgresDatabase(partitioned(self._postgres), "check"), SecretBox(key_text=KEY))


class TestRecordAndSettle(InParts, RecordSuite, SettleSuite):
    capabilities = frozenset({"channels", "catalog", "history", "sources"})


def test_what_is_tried_here_does_stand_in_parts(postgres_server: PostgresServer) -> None:
    with psycopg.connect(partitioned(postgres_server)) as connection:
        kinds = connection.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'liveness'::regclass").fetchone()
        assert kinds == (16,)
