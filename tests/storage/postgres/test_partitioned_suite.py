"""All that a store promises, with `liveness` in parts."""

from __future__ import annotations

from tests.storage.postgres.test_partitioned import InParts
from tests.storage.test_suite_postgres import TestPostgresStore as Whole


class TestPartitioned(InParts, Whole):
    pass


del Whole  # it is tried in its own file
