"""What every test may use; and after the last test, a search of everything that was logged for every secret used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.secrecy import LOGGED, leaks


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """asyncio only: APScheduler and the drivers know no other."""
    return "asyncio", {"use_uvloop": False}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what passing tests print and log: the secrets are looked for in it. A failing test may show its values."""
    if report.passed:
        LOGGED.extend((report.nodeid, text) for _, text in report.sections)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Iterator[None]:
    found = leaks()
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    yield
    for where, hint in found:
        print(f"\nSECRET IN A LOG: {hint}… in what {where} logged")
