"""How much room a disk has to have. Pure, but for asking it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

MB, GB = 1_000_000, 1_000_000_000

SHARE, LEAST, MOST = 0.05, 500 * MB, 5 * GB
"""Free below this share of the disk is little; at least and at most so many bytes."""

SMALL = 0.2
"""Of a small disk: never more than this share."""

AGAIN = 1.5
"""There is room again when so many times the mark is free."""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes of a disk, as a process without special rights may use them."""

    free: int
    total: int

    @property
    def mark(self) -> float:
        """Free bytes below which it is almost full."""
        return min(max(self.total * SHARE, LEAST), MOST, self.total * SMALL)

    def low(self, before: bool) -> bool:
        """Whether it is almost full; `before`: it was, when it was looked at last."""
        return self.free < self.mark * (AGAIN if before else 1)


def room(folder: Path) -> Room:
    """Raises OSError."""
    usage = shutil.disk_usage(folder)
    return Room(usage.free, usage.total)
