"""Counting what was not taken. What reaches the recorder is counted there: stored, unknown, busy, failed."""

from __future__ import annotations

from lastseen import counters
from lastseen.errors import InvalidInput, LastseenError
from lastseen.problems import DISABLED, NO_KEY, Problem

_OUTCOMES = {
    400: "malformed",
    401: "refused",
    403: "refused",
    408: "abandoned",
    411: "malformed",
    413: "malformed",
    415: "malformed",
    422: "malformed",
    429: "limited",
    500: "failed",
}


def count_refusal(problem: Problem, source: str = "http") -> None:
    """A heartbeat that this problem answers. What is no heartbeat (405) is not counted."""
    outcome = _OUTCOMES.get(problem.status)
    if outcome is not None:
        counters.HEARTBEATS.inc(source, outcome)
    count_key_refusal(problem)


def count_malformed(error: LastseenError, source: str = "http") -> None:
    """A heartbeat that cannot be read. What the recorder raises is counted there."""
    if isinstance(error, InvalidInput):
        counters.HEARTBEATS.inc(source, "malformed")


def count_rows(outcome: str, rows: int, source: str = "http") -> None:
    """Rows of a batch that never became heartbeats: `malformed`, `refused`, `unknown`."""
    if rows:
        counters.HEARTBEATS.inc(source, outcome, by=rows)


def count_gone(source: str = "http") -> None:
    """A client that hung up before its heartbeat was whole."""
    counters.HEARTBEATS.inc(source, "abandoned")


def count_late(source: str = "http") -> None:
    """A heartbeat that waited for the store too long. If it got as far as the recorder, what becomes of it is counted
    there too."""
    counters.HEARTBEATS.inc(source, "late")


def count_failed(source: str = "http") -> None:
    """A heartbeat that came to grief before it could be handed on."""
    counters.HEARTBEATS.inc(source, "failed")


def count_key_refusal(problem: Problem) -> None:
    """Whatever was asked for: its key was not accepted."""
    if problem.status == 401:
        counters.KEY_REFUSALS.inc("missing" if problem is NO_KEY else "wrong")
    elif problem.status == 403:
        counters.KEY_REFUSALS.inc("disabled" if problem is DISABLED else "scope")
