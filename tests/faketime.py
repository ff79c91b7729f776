"""A process whose wall clock can be stepped while it runs, by libfaketime; its monotonic clock stays as it is."""

from __future__ import annotations

from pathlib import Path

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
MISSING = "libfaketime is not installed (apt-get install faketime): the clock cannot be stepped"


def faked(offset: Path) -> dict[str, str]:
    """The environment of a process whose clock is off by what `offset` holds, as `+3600`."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else each wait for Python's lock is over at once, and it spins
    }
