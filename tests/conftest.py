"""What every test may use; and after the last test, a search of everything that was logged for every secret used."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from tests import leftovers, quick
from tests.secrecy import LOGGED, leaks
from tests.servers import postgres
from tests.servers.postgres import PostgresServer
from tests.support import need

LONGEST = (
    "tests/chaos/test_chaos.py",
    "tests/notifiers/test_outbox_oracle.py",
    "tests/test_benchmarks.py",
    "tests/cli/test_demo.py",
    "tests/scenarios/",
    "tests/mqtt/test_two_hours.py",
    "tests/mqtt/test_broker_restarted.py",
    "tests/server/test_described_routes.py",
    "tests/metrics/test_ground_truth.py",
    "tests/watch/",
    "tests/pages/",
    "tests/test_docs.py",
    "tests/test_plugin_package.py",
    "tests/test_write_pages.py",
    "tests/nodes/",
    "tests/mqtt/test_days.py",
    "tests/storage/postgres/test_all_at_once.py",
    "tests/storage/test_retention_life.py",
)
"""These begin first: otherwise one process is busy with them when the others have nothing left to do."""

WATCHER = pytest.StashKey[object]()
"""What ends all that this run of the tests has started and left."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """How several processes share the tests (`--dist loadgroup`): one by one, but those of a file that share what is
    made once for the file stay together."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    for item in items:
        made = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
        if any(each.scope == "module" for several in made for each in several):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Nothing that is made meanwhile is garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    quick.collect_less()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(here, reason): fails in CI, is skipped elsewhere, unless `here`")
    hypothesis.settings.register_profile("tests", deadline=None)  # a busy computer is no fault
    hypothesis.settings.load_profile("tests")
    if (memory := postgres.memory()) is not None:  # as no test loses power, none waits for a disk
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))
    config.stash[WATCHER] = leftovers.end_with()
    config.add_cleanup(quick.trust_few())
    quick.share_contexts()
    quick.hash_lightly()
    quick.migrate_once()
    quick.compile_once()
    quick.look_once()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background: what tests start would ignore it too
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture is made."""
    for mark in item.iter_markers("needs"):
        need(*mark.args)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """asyncio only: APScheduler and the drivers know no other."""
    return "asyncio", {"use_uvloop": False}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what passing tests print and log: the secrets are looked for in it. A failing test may show its values."""
    if report.passed:
        LOGGED.extend((report.nodeid, text) for _, text in report.sections)


_FOUND: list[tuple[str, str]] = []


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Iterator[None]:
    """Each process searches what its own tests logged, and a worker hands on what it found."""
    found = [*_FOUND, *leaks()]
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["leaks"] = found
    elif found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    yield
    for where, hint in found if output is None else ():
        print(f"\nSECRET IN A LOG: {hint}… in what {where} logged")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist has ended."""
    _FOUND.extend((where, hint) for where, hint in getattr(node, "workeroutput", {}).get("leaks", ()))


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """One for each process; every test makes a database of its own in it."""
    return postgres.shared()
