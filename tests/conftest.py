"""What every test may use."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """asyncio only: APScheduler and the drivers know no other."""
    return "asyncio", {"use_uvloop": False}
