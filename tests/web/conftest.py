"""A site for a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.web.site import Site, a_site


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, object]]:
    """As for all tests; one loop for a file."""
    return "asyncio", {"use_uvloop": False}


ON_BOTH = frozenset({"test_links", "test_login", "test_noted", "test_vouched", "test_who"})
"""Files whose tests are run on PostgreSQL too."""

Given = dict[str, Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in ON_BOTH:
        metafunc.parametrize("database", ["sqlite", "postgres"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> Callable[[], Given]:
    """What `a_site` is given for a database of its own."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return dict
    server = request.getfixturevalue("postgres_server")
    return lambda: {"database_url": server.migrated()}


@pytest.fixture(scope="module")
async def shared(database: Callable[[], Given], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One site for all tests of a file, and one database."""
    async with a_site(tmp_path_factory.mktemp("site"), **database()) as made:
        yield made


@pytest.fixture
def site(shared: Site) -> Site:
    """With nobody in it."""
    shared.empty()
    return shared
