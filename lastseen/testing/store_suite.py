"""The conformance suite of stores: ours run it, and so may yours.

    class TestMyStore(lastseen.testing.StoreSuite):
        def make(self):
            return MyStore("sqlite:///:memory:")

Needs pytest and anyio only. The core part needs nothing but the `Store` protocol.
"""

from __future__ import annotations

from lastseen.testing.suite_account import AccountSuite
from lastseen.testing.suite_counted import CountedSuite
from lastseen.testing.suite_deeds import DeedsSuite
from lastseen.testing.suite_directory import AnnalsSuite, DirectorySuite
from lastseen.testing.suite_following import FollowingSuite
from lastseen.testing.suite_intervals import IntervalsSuite
from lastseen.testing.suite_lanes import LaneSuite
from lastseen.testing.suite_optional import OptionalSuite
from lastseen.testing.suite_outbox import OutboxSuite
from lastseen.testing.suite_people import PeopleSuite
from lastseen.testing.suite_public import PublicSuite
from lastseen.testing.suite_record import RecordSuite
from lastseen.testing.suite_retention import RetentionSuite
from lastseen.testing.suite_settle import SettleSuite
from lastseen.testing.suite_values import ValuesSuite


class CoreStoreSuite(RecordSuite, SettleSuite, OutboxSuite):
    """Only what every store must do."""


class StoreSuite(
    CoreStoreSuite,
    OptionalSuite,
    LaneSuite,
    AccountSuite,
    DirectorySuite,
    AnnalsSuite,
    FollowingSuite,
    RetentionSuite,
    PeopleSuite,
    DeedsSuite,
    CountedSuite,
    IntervalsSuite,
    PublicSuite,
    ValuesSuite,
):
    """All of it; parts that need a capability which is not declared are skipped with that reason."""
