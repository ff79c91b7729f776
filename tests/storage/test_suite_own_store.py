"""The store of the example, on a table of its own, keeps the core of what every store promises."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from examples.own_store import PumpStore
from lastseen.testing import CoreStoreSuite


class TestPumpStore(CoreStoreSuite):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.tmp_path, self.numbers = tmp_path, itertools.count()

    def make(self) -> PumpStore:
        return PumpStore(self.tmp_path / f"pumps-{next(self.numbers)}.db")


def test_it_fits_on_a_page() -> None:
    source = Path("examples/own_store.py").read_text()
    lines = source[source.index("class PumpStore") : source.index("async def main")].strip().splitlines()
    assert len(lines) <= 40
