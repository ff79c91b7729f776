"""What is broken in which run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import faults
from tests.chaos.faults import Break
from tests.chaos.world import World

ALWAYS: tuple[Break, ...] = (
    faults.node_killed,
    faults.nodes_all_killed,
    faults.node_stopped,
    faults.database_cut,
    faults.database_stalled,
    faults.database_slow,
    faults.database_restarted,
    faults.database_killed,
    faults.valkey_killed,
    faults.valkey_flushed,
    faults.broker_restarted,
    faults.clock_stepped,
)
"""Those that every run may have; a disk that is full and a standby that takes over need a database of their own."""

SHORT: dict[int, tuple[Break, ...]] = {
    1: (faults.database_stalled, faults.node_killed),
}
"""By seed: those among the tests, which need no database of their own."""


def plan(seed: int) -> list[Break]:
    """Of a long run: five faults, and every other time one that needs a database of its own."""
    rng = random.Random(seed)
    breaks = rng.sample(ALWAYS, 5)
    special: Sequence[Break] = (faults.database_failed_over, faults.database_disk_full)
    if seed % 2:
        breaks.insert(rng.randrange(6), special[seed // 2 % 2])
    return breaks


def world_for(folder: Path, seed: int, breaks: Sequence[Break], nodes: int = 2) -> World:
    return World(
        folder,
        seed,
        nodes,
        disk=faults.database_disk_full in breaks,
        standby=faults.database_failed_over in breaks,
        clock=faults.clock_stepped in breaks,
    )
