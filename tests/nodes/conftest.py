from __future__ import annotations

import pytest

from tests.servers.postgres import PostgresServer


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    """Of a new database with lastseen's tables."""
    return postgres_server.migrated()
