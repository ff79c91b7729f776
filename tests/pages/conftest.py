"""One server and one browser for all tests of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.pages.looking import Looking, looking_at


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    """As for all tests; one loop for a file."""
    return "asyncio", {"use_uvloop": False}


@pytest.fixture(scope="module")
async def looking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Looking]:
    async with looking_at(tmp_path_factory.mktemp("pages")) as made:
        yield made
