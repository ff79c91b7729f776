"""What became of a notification, in the names that the command line and the API print."""

from __future__ import annotations

from typing import Any

from lastseen.clock import rfc3339


def fate(row: Any) -> dict[str, Any]:
    """JSON values of these attributes of a row: why it was made, how it stands, how often it was tried, and when."""
    return {
        "cause": row.cause,
        "state": row.state,
        "reason": row.reason,
        "attempts": row.attempts,
        "due_at": rfc3339(row.due_at),
        "finished_at": rfc3339(row.finished_at),
    }
