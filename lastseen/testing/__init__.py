"""For your own tests, and for the tests of your own stores and notifiers."""

from lastseen.testing.clock import FakeClock
from lastseen.testing.recording import RecordingNotifier

__all__ = ["CoreStoreSuite", "FakeClock", "NotifierSuite", "RecordingNotifier", "StoreSuite"]


def __getattr__(name: str) -> object:
    """The suites need pytest, which programs that only use the clock need not have."""
    if name in ("StoreSuite", "CoreStoreSuite"):
        from lastseen.testing import store_suite

        return getattr(store_suite, name)
    if name == "NotifierSuite":
        from lastseen.testing.notifier_suite import NotifierSuite

        return NotifierSuite
    raise AttributeError(name)
