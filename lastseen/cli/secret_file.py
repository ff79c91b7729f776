"""A secret that a command writes into a file instead of showing it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lastseen.errors import InvalidInput


@contextmanager
def secret_file(path: Path | None, option: str) -> Iterator[Callable[[str], None]]:
    """Make a file that only its owner reads, before anything is done that cannot be taken back; yields what writes the
    secret into it. It is gone again if that was not called. Raises InvalidInput that names the option: it is there, or
    cannot be made. None: nothing is to be written."""
    if path is None:
        yield lambda secret: None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InvalidInput(f"{path} is there already: it is not overwritten", option) from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be made: {error.strerror}", option) from None
    written = False

    def write(secret: str) -> None:
        nonlocal written
        try:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            message = f"{path} cannot be written: {error.strerror}; another: lastseen machines rotate-key"
            raise InvalidInput(message, option) from None
        written = True

    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        try:
            yield write
        finally:
            if not written:
                path.unlink(missing_ok=True)
