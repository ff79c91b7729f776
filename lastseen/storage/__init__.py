"""Where things are kept. `open_store` makes a store from a URL; nothing is opened before `await store.open()`."""

from __future__ import annotations

from typing import Any

from lastseen.errors import ConfigurationError
from lastseen.protocols import Store

SCHEMES = {"memory": "memory:", "sqlite": "sqlite:///path/to/file.db"}


def open_store(url: str, **options: Any) -> Store:
    """The store that a URL names: `memory:`, `sqlite:///relative/path`, `sqlite:////absolute/path`.

    `options` go to the store: for SQLite `migrate="auto"|"check"` and `secrets=SecretBox(…)`.
    """
    scheme = url.partition(":")[0].lower()
    if scheme == "memory":
        from lastseen.storage.memory import open_memory

        return open_memory(url)
    if scheme == "sqlite":
        from lastseen.storage.sqlite import open_sqlite

        store: Store = open_sqlite(url, **options)
        return store
    raise ConfigurationError(f"no store {url!r}: there are {' and '.join(SCHEMES.values())}")
