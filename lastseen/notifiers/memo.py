"""A note beside the database, for the next process: who was told from memory that nothing can be written.

Its bytes are taken while there is room for them, and then only written over: most file systems can do that when they
are full. Where it cannot be written the memory is lost over a restart, and a process that cannot begin says nothing.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from lastseen.protocols import OnDisk, Store

SIZE = 16_384
"""Bytes: some hundred channels."""


@dataclass(slots=True)
class Loss:
    """Since when nothing can be written, why, and the channels (uids) that were told, with their receipts."""

    since: datetime
    why: str = ""
    told: dict[str, str | None] = field(default_factory=dict)


class Memo:
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Loss | None:
        """None: nothing is noted, or it cannot be read. Takes the file's bytes where they are not taken yet."""
        try:
            text = self._path.read_bytes()
        except OSError:
            text = b""
        if len(text) < SIZE:
            self.write(None, make=True)
        with contextlib.suppress(msgspec.MsgspecError, ValueError):
            loss = msgspec.json.decode(text.strip(b" \n\0") or b"null", type=Loss | None)
            return loss if loss is not None and loss.since.tzinfo is not None else None
        return None

    def write(self, loss: Loss | None, make: bool = False) -> bool:
        """False: it could not be."""
        text = msgspec.json.encode(loss)
        if loss is not None and len(text) >= SIZE:
            text = msgspec.json.encode(Loss(loss.since, loss.why, dict.fromkeys(list(loss.told)[: SIZE // 60])))
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o600)
        except OSError:
            return False
        try:
            written = os.pwrite(descriptor, text.ljust(SIZE - 1) + b"\n", 0)
            os.fsync(descriptor)
            return written == SIZE
        except OSError:
            return False
        finally:
            os.close(descriptor)


def memo_of(store: Store) -> Memo | None:
    """Beside the store's file, where it has one."""
    file = store.file if isinstance(store, OnDisk) else None
    return None if file is None else Memo(file.with_name(f"{file.name}.emergency"))
