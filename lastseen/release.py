"""Which lastseen this is."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """As it was installed. Asked once: finding it out means reading the whole description of the package."""
    return metadata.version("lastseen")
