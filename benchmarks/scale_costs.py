"""What each piece of work costs: the one table that the model of scale reads. docs/scale.md says what follows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """Seconds of a processor for one of each, on the node and on the database's server; and what only waits.

    Measured on 2 × Intel Xeon (a virtual machine) beside other work on 2026-11-21; docs/benchmarks.md has the spread.
    """

    request_node: float = 23.6e-6
    """A heartbeat that comes alone over HTTP: 42,340/s by one process (docs/benchmarks.md, -c256), stored."""

    beat_node: float = 4.2e-6
    """A heartbeat of a batch by its id: 239,100/s by one process (docs/benchmarks.md, `bench_bulk`)."""

    beat_server: float = 10.6e-6
    """The server's part of a heartbeat, of 1,000,000 machines in no order (`bench_postgres_fleet`, one node)."""

    look_node: float = 45e-6
    """A machine that is due and was heard meanwhile (`bench_postgres_fleet`, less the part of its transaction)."""

    look_server: float = 31e-6

    alert_node: float = 112e-6
    """A machine found silent, or back, told to one channel (likewise)."""

    alert_server: float = 200e-6

    settle_node: float = 4.6e-3
    """A transaction of the sweep with one machine in it (`bench_postgres_fleet.sweeps`, one a round, 60 rounds)."""

    settle_server: float = 4.5e-3

    send_node: float = 782e-6
    """A webhook, until it is written down as delivered (docs/benchmarks.md, `bench_webhooks`)."""

    fsync: float = 1.4e-3
    """A commit waits so long for the disk (fdatasync here, beside other work); several commits share one."""

    answer: float = 0.05
    """Seconds that a webhook's receiver takes: assumed."""


TELEGRAM_EVERY = 1.0
"""Seconds between two messages to one chat, by Telegram's rules; 30 a second for all chats of a bot."""

TELEGRAM_ROWS = 4096
"""Alerts that one message may speak for (`lastseen.notifiers.telegram`)."""
