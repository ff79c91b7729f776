"""A store with a copy beside it keeps everything that the store alone promises.

What is not touched on the way is handed to the store as it is, which is looked at here; that all of StoreSuite holds
there too is of `make chaos`: two minutes of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lastseen import protocols
from lastseen.clock import SystemClock
from lastseen.protocols import Glances, Store
from lastseen.storage import open_store
from lastseen.storage.beside import Beside, beside
from lastseen.storage.redis import RedisCopy
from lastseen.storage.redis_link import Link
from lastseen.testing import StoreSuite
from lastseen.testing.suite_optional import OptionalSuite
from lastseen.testing.suite_people import PeopleSuite
from lastseen.testing.suite_record import RecordSuite
from lastseen.testing.suite_settle import SettleSuite
from tests.servers.valkey import Valkey
from tests.storage import test_suite_sqlite

KINDS = [kind for name in protocols.__all__ if getattr(kind := getattr(protocols, name), "_is_runtime_protocol", False)]


TOUCHED = {"open", "close", "record", "settle", "order", "set_kind", "remove_user", "glance"}
"""What `Beside` does itself, and the parts of StoreSuite that are about these."""


class Touched(RecordSuite, SettleSuite, OptionalSuite, PeopleSuite):
    pass


Suite = StoreSuite if os.environ.get("LASTSEEN_TEST_LIVES") else Touched


def with_copy(url: str, server: str) -> Store:
    return beside(open_store(url), RedisCopy(Link(server, SystemClock()), SystemClock()))


class TestMemoryBeside(Suite):  # type: ignore[misc, valid-type]
    @pytest.fixture(autouse=True)
    def _server(self, shared: Valkey) -> None:
        self._shared = shared

    def make(self) -> Store:
        return with_copy("memory:", self._shared.url)


class TestSqliteBeside(Suite):  # type: ignore[misc, valid-type]
    capabilities = test_suite_sqlite.TestSqliteStore.capabilities

    @pytest.fixture(autouse=True)
    def _server(self, shared: Valkey, tmp_path: Path) -> None:
        self._shared, self._path, self._made = shared, tmp_path, 0

    def make(self) -> Store:
        self._made += 1
        return with_copy(f"sqlite:///{self._path}/{self._made}.db", self._shared.url)


@pytest.mark.parametrize("url", ["memory:", "sqlite:///never-opened.db"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_has_the_protocols_of_its_store_and_no_other(url: str, kind: type) -> None:
    alone, with_one = open_store(url), with_copy(url, "redis://127.0.0.1:1")
    wanted = isinstance(alone, kind) or kind in (Glances, protocols.Service)
    assert isinstance(with_one, kind) == wanted


def test_what_the_suite_leaves_out_is_the_stores_own() -> None:
    assert {name for name in vars(Beside) if not name.startswith("_")} == TOUCHED
    kinds = (kind for kind in KINDS if kind not in (Glances, protocols.Service))
    named = {name for kind in kinds for name in vars(kind) if not name.startswith("_")}
    store = open_store("sqlite:///never-opened.db")
    with_one = beside(store, RedisCopy(Link("redis://127.0.0.1:1", SystemClock()), SystemClock()))
    for name in named - TOUCHED:
        assert getattr(with_one, name) == getattr(store, name), name


def test_what_no_protocol_names_is_the_stores_own() -> None:
    store = open_store("sqlite:///never-opened.db")
    with_one = beside(store, RedisCopy(Link("redis://127.0.0.1:1", SystemClock()), SystemClock()))
    assert with_one.database is store.database  # type: ignore[attr-defined]
