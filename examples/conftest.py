"""pytest with anyio's plugin, on asyncio."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


collect_ignore = ["lastseen-gotify"]  # a package of its own, tested where it is installed: tests/test_plugin_package.py
