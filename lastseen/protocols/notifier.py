"""What a notifier promises, and what it is handed."""

from __future__ import annotations

from typing import Any, Protocol

from lastseen.model import Outcome


class Tools(Protocol):
    """What a plugin is handed."""

    http: Any
    """An httpx.AsyncClient: guarded against forbidden addresses, timed out, without redirects."""


class Notifier(Protocol):
    """Speaks to one destination.

    A class that is found by its entry point in `lastseen.notifiers` has a nested pydantic model `Config` (SecretStr
    fields are encrypted at rest) and is made as `Class(config, tools)`. Optional attributes, with their defaults:

    - `max_batch = 1`: how many notifications one send may speak for;
    - `reads_text = True`: False says that it is for programs, and reads only `events`, `id`, `reply_to` and `wall` of a
      message; then there are no texts in it, which are most of the work of making one;
    - `schedule = "chat"`: how tries are spaced, "chat" or "webhook";
    - `timeout = 15.0`: seconds until a send counts as `Retry`;
    - `label`: what people call the far end, the type's name for none;
    - `host`: the name or address of its far end, "" for none: what could not be reached outside tells of our own line;
    - `lane`: channels whose notifiers name the same lane share one line to the far end (one bot);
    - `operators_only = False`: True says that nothing guards where it connects to: channels of it are written by the
      command line, and by nobody else;
    - `operators_fields = frozenset()`: fields of its Config of which that is true: somebody's own channel has none;
    - `async edit(receipt, message)`: change what was sent under this receipt; Rejected where that is not possible;
    - `blocking = False`: True says that `send` is a plain function that may wait without awaiting; it runs in a thread;
    - `async start()`, `async close()`.
    """

    async def send(self, message: Any) -> Outcome | None:
        """One call to the far end. None or Delivered: done. Any exception counts as Retry."""
