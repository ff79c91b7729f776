"""Counts that any layer may bump, and that `/metrics` reads. Plain Python: nothing here knows of Prometheus.

They belong to the process: two monitors in one program add to the same counts. An increment takes a lock for well under
a microsecond, so every thread may count; what happens for each heartbeat is counted by the batch.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

Labels = tuple[str, ...]


class Counter:
    """Grows only. `name` is without the `_total` it is shown with; `known` series are shown before they count."""

    def __init__(self, name: str, meaning: str, labels: Labels = (), known: Iterable[Labels] = ()) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self._lock = threading.Lock()
        self._values: dict[Labels, float] = dict.fromkeys(known, 0)

    def inc(self, *labels: str, by: float = 1) -> None:
        with self._lock:
            self._values[labels] = self._values.get(labels, 0) + by

    def values(self) -> Mapping[Labels, float]:
        """As they are now."""
        with self._lock:
            return dict(self._values)


class Spread:
    """How many observations a bucket holds (`counts`, the last one without an upper bound), and their sum."""

    __slots__ = ("counts", "sum")

    def __init__(self, counts: Sequence[int], total: float) -> None:
        self.counts, self.sum = list(counts), total


class Histogram:
    """How observations spread over buckets. `buckets` are the upper bounds, rising."""

    def __init__(
        self,
        name: str,
        meaning: str,
        buckets: Sequence[float],
        labels: Labels = (),
        known: Iterable[Labels] = (),
    ) -> None:
        self.name, self.meaning, self.labels, self.buckets = name, meaning, labels, tuple(buckets)
        self._lock = threading.Lock()
        self._values: dict[Labels, Spread] = {one: self._empty() for one in ([()] if not labels else known)}

    def _empty(self) -> Spread:
        return Spread([0] * (len(self.buckets) + 1), 0.0)

    def observe(self, value: float, *labels: str) -> None:
        """Durations below zero, which a clock that is put back may measure, count as none."""
        value = max(value, 0.0)
        with self._lock:
            spread = self._values.get(labels)
            if spread is None:
                spread = self._values[labels] = self._empty()
            spread.counts[bisect_left(self.buckets, value)] += 1
            spread.sum += value

    def values(self) -> Mapping[Labels, Spread]:
        """As they are now."""
        with self._lock:
            return {labels: Spread(spread.counts, spread.sum) for labels, spread in self._values.items()}


# --- which source a bit stands for ------------------------------------------------------------------------------------

_SOURCES: dict[int, str] = {0: "http"}


def name_source(source: int, name: str) -> None:
    """Heartbeats know their source by its number; people know it by its name."""
    _SOURCES[source] = name


def source_name(source: int) -> str:
    return _SOURCES.get(source) or f"#{source}"


# --- everything that is counted ---------------------------------------------------------------------------------------

OUTCOMES: Final = ("stored", "unknown", "malformed", "refused", "limited", "busy", "failed", "late", "abandoned")
"""Of a heartbeat: durable; of no known machine; cannot be read; its key is not accepted; too many; the queue was full;
the store could not take it; the store did not answer in time; its sender hung up."""

REFUSALS: Final = ("missing", "wrong", "scope", "disabled")
"""Of a key: none was sent; no valid one; one for something else; its machine is disabled."""

_SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)

HEARTBEATS = Counter(
    "lastseen_heartbeats",
    "Heartbeats by the source they came by and what became of them.",
    ("source", "outcome"),
    [("http", outcome) for outcome in OUTCOMES],
)
KEY_REFUSALS = Counter(
    "lastseen_key_refusals",
    "Requests whose key was not accepted, by why.",
    ("reason",),
    [(reason,) for reason in REFUSALS],
)
BATCHES = Histogram("lastseen_batch_heartbeats", "Heartbeats that shared one commit.", _SIZES)
COMMITS = Histogram("lastseen_commit_seconds", "Time from handing a batch to the store until it was durable.", _SHORT)
SWEEPS = Histogram("lastseen_sweep_seconds", "Time that a look at everything due took.", _SHORT)
SWEEP_LAG = Histogram("lastseen_sweep_lag_seconds", "How late a look came after the deadline it was for.", _SHORT)
DETECTION = Histogram(
    "lastseen_detection_delay_seconds",
    "Time from a machine's deadline to its machine.offline event.",
    _LONG,
    ("reason",),
    [("silent",), ("goodbye",)],
)
EVENTS = Counter(
    "lastseen_events",
    "Committed events by type.",
    ("type",),
    [("machine.offline",), ("machine.online",), ("machine.error",)],
)
ATTEMPTS = Counter(
    "lastseen_delivery_attempts",
    "Sends by type of notifier and how they ended.",
    ("notifier", "result"),
)
ATTEMPT_TIME = Histogram("lastseen_delivery_seconds", "Time that the far end took for a send.", _SHORT, ("notifier",))
DELIVERIES = Counter(
    "lastseen_deliveries",
    "Notifications that ended with a send, by type of notifier: delivered or dead.",
    ("notifier", "result"),
)
TOLD_AFTER = Histogram(
    "lastseen_delivery_delay_seconds",
    "Time from an event to the moment its notification was delivered.",
    _LONG,
    ("notifier",),
)
BLIND = Counter(
    "lastseen_blind_seconds",
    "Seconds in which a source could not have heard anybody, by why.",
    ("source", "reason"),
)
STORE_ERRORS = Counter(
    "lastseen_store_errors",
    "Transactions that failed because the store could not be read or written.",
    ("access",),
    [("read",), ("write",)],
)
STATUS_READS = Counter(
    "lastseen_status_reads",
    "Machines whose status was read beside a Redis server, by what answered: the copy or the store.",
    ("place",),
)
WAKES_MISSED = Counter(
    "lastseen_wakes_missed",
    "Wake-ups that the scheduler dropped or failed; the monitor looked nevertheless.",
    ("what",),
    [("missed",), ("error",), ("overlapping",)],
)

LOGINS = Counter(
    "lastseen_logins",
    "Passwords that were given to log in or to set another, by what came of it: ok, wrong, throttled.",
    ("result",),
    [("ok",), ("wrong",), ("throttled",)],
)
FOLLOWS = Counter(
    "lastseen_stream_follows",
    "Followers of the stream: began, ended, refused (too many), behind (they could not keep up, and read it back).",
    ("what",),
    [("began",), ("ended",), ("refused",), ("behind",)],
)

ALL: Final[tuple[Counter | Histogram, ...]] = (
    HEARTBEATS,
    KEY_REFUSALS,
    BATCHES,
    COMMITS,
    SWEEPS,
    SWEEP_LAG,
    DETECTION,
    EVENTS,
    ATTEMPTS,
    ATTEMPT_TIME,
    DELIVERIES,
    TOLD_AFTER,
    BLIND,
    STORE_ERRORS,
    STATUS_READS,
    WAKES_MISSED,
    LOGINS,
    FOLLOWS,
)
