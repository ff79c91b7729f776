"""Where things are kept. `open_store` makes a store from a URL; nothing is opened before `await store.open()`."""

from __future__ import annotations

from typing import Any

from lastseen.plugins import load_store
from lastseen.protocols import Store


def open_store(url: str, **options: Any) -> Store:
    """The store that a URL names: `memory:`, `sqlite:///relative/path`, `sqlite:////absolute/path`; or one of an
    installed package, whose entry point in `lastseen.stores` has the name of the scheme and takes the URL.

    `options` go to the store: for SQLite `migrate="auto"|"check"` and `secrets=SecretBox(…)`. Raises
    ConfigurationError, which never repeats the URL: a password may be in it.
    """
    return load_store(url.partition(":")[0].lower())(url, **options)
