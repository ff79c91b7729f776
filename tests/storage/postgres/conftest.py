"""Two nodes on a database of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.servers.postgres import PostgresServer
from tests.storage.postgres.stage import Stage, on_stage


@pytest.fixture
async def stage(postgres_server: PostgresServer) -> AsyncIterator[Stage]:
    async with on_stage(postgres_server) as made:
        yield made
