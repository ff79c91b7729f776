"""Two nodes on a database of their own. All of StoreSuite on `liveness` in parts is of `make chaos`: a minute of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from tests.servers.postgres import PostgresServer
from tests.storage.postgres.stage import Stage, on_stage

collect_ignore = [] if os.environ.get("LASTSEEN_TEST_LIVES") else ["test_partitioned_suite.py"]


@pytest.fixture
async def stage(postgres_server: PostgresServer) -> AsyncIterator[Stage]:
    async with on_stage(postgres_server) as made:
        yield made
