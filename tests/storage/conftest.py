"""A store of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lastseen.storage import open_store
from tests.fresh import new_database


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Any]:
    """On a new SQLite file, opened."""
    store: Any = open_store(new_database(tmp_path / "lastseen.db"))
    await store.open()
    yield store
    await store.close()
