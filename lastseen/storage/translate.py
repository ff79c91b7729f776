"""What the libraries underneath raise, as what a store may raise. A test holds the table complete."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy.exc as sa

from lastseen.errors import Conflict, InvalidInput, LastseenError, StoreUnavailable

UNAVAILABLE: tuple[type[BaseException], ...] = (
    sa.OperationalError,
    sa.InterfaceError,
    sa.InternalError,
    sa.NotSupportedError,
    sa.TimeoutError,
    sa.DisconnectionError,
    sa.InvalidatePoolError,
    sqlite3.OperationalError,
    sqlite3.InterfaceError,
    sqlite3.InternalError,
    sqlite3.NotSupportedError,
)
"""It may work again later: disk full, locked, unreadable, gone."""

CONFLICTS: tuple[type[BaseException], ...] = (sa.IntegrityError, sqlite3.IntegrityError)
"""A rule of the schema says no."""

UNFIT: tuple[type[BaseException], ...] = (sa.DataError, sqlite3.DataError)
"""A value that no column can hold."""

BROKEN: tuple[type[BaseException], ...] = (
    sa.SQLAlchemyError,
    sa.EmulatedDBAPIException,
    sqlite3.Error,
    sqlite3.Warning,
)
"""Everything else of theirs: a damaged file (DatabaseError), or a mistake of ours. It does not go away by itself, but
the caller's seat knows no better name for it than that the store cannot be used."""


def translated(error: BaseException) -> LastseenError | None:
    """The error of ours for one of theirs; None for what is not theirs."""
    text = _words(error)
    if one_of(error, CONFLICTS):
        return Conflict(text)
    if one_of(error, UNFIT):
        return InvalidInput(text)
    if one_of(error, UNAVAILABLE):
        return StoreUnavailable(f"the database cannot be used now: {text}")
    if one_of(error, BROKEN):
        return StoreUnavailable(f"the database or this program's use of it is broken: {text}")
    if isinstance(error, OSError):
        return StoreUnavailable(f"the database cannot be used now: {error.strerror or error}")
    return None


def one_of(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether it is of one of these kinds, or psycopg's own of that name: PEP 249 names them for all drivers, and
    psycopg need not be installed."""
    names = {kind.__name__ for kind in kinds}
    return isinstance(error, kinds) or any(
        kind.__module__ == "psycopg" and kind.__name__ in names for kind in type(error).__mro__
    )


_OF_THE_SERVER = ("08", "25", "40", "53", "55", "57", "58", "XX", "3D", "28")
"""Classes of PostgreSQL's errors (Appendix A of its manual) whose message speaks of the server, not of values."""


def _words(error: BaseException) -> str:
    """The driver's own words, never the statement or its values: those may hold secrets."""
    origin: Any = getattr(error, "orig", None) or error
    if isinstance(origin, sqlite3.Error):
        return str(origin)
    state = getattr(origin, "sqlstate", None)
    if isinstance(state, str):
        said = origin.diag.message_primary if state.startswith(_OF_THE_SERVER) else None
        return f"{type(origin).__name__} ({state})" + (f": {said}" if said else "")
    return type(origin).__name__
