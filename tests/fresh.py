"""New databases, copied: to make one with its migrations takes longer than many a test."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from lastseen.storage import upgrade


def new_database(path: Path) -> str:
    """The URL of the database in this file, which is a new one if there is none yet."""
    if not path.exists():
        path.touch(0o600)
        path.write_bytes(_migrated())
    return f"sqlite:///{path}"


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new.db"
        upgrade.upgrade(path)
        return path.read_bytes()
