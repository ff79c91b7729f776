from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.advice.sampled import Fleet, a_fleet


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with a_fleet(tmp_path) as made:
        yield made
