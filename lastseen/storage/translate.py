"""What the libraries underneath raise, as what a store may raise. A test holds the table complete."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy.exc as sa

from lastseen.errors import Conflict, InvalidInput, LastseenError, StoreUnavailable
from lastseen.model.texts import NUL, SURROGATE

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

TOO_GREAT = "a number is greater, or smaller, than any that can be kept"

_UNFIT_STATES = {"22003": TOO_GREAT, "22P05": f"a text {NUL}", "2201W": "a limit must not be negative"}
"""Data exceptions of PostgreSQL (Appendix A of its manual) that speak of one value."""

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
    if (unfit := _unfit(error)) is not None:
        return InvalidInput(unfit)
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


def _unfit(error: BaseException) -> str | None:
    """Why no column holds what was given, where that is known: the same words for every database."""
    if isinstance(error, UnicodeEncodeError):
        return f"a text {SURROGATE}"
    if isinstance(error, OverflowError):
        return TOO_GREAT
    origin: Any = getattr(error, "orig", None) or error
    if type(origin).__module__.startswith("psycopg") and "NUL" in str(origin):
        return f"a text {NUL}"  # the driver says so, before the server is asked
    return _UNFIT_STATES.get(getattr(origin, "sqlstate", None) or "")


def one_of(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether it is of one of these kinds, or psycopg's own of that name: PEP 249 names them for all drivers, and
    psycopg need not be installed."""
    names = {kind.__name__ for kind in kinds}
    return isinstance(error, kinds) or any(
        kind.__module__ == "psycopg" and kind.__name__ in names for kind in type(error).__mro__
    )


_OF_THE_SERVER = ("08", "25", "40", "53", "55", "57", "58", "XX", "3D", "28")
"""Classes of PostgreSQL's errors (Appendix A of its manual) whose message speaks of the server, not of values."""


@contextmanager
def translating(*, files: bool = True) -> Iterator[None]:
    """Whatever the libraries underneath raise in here comes out as an error of ours. `files`: OSError too."""
    try:
        yield
    except LastseenError:
        raise
    except Exception as error:
        ours = None if isinstance(error, OSError) and not files else translated(error)
        if ours is None:
            raise
        raise ours from error


def _words(error: BaseException) -> str:
    """The driver's own words, never the statement or its values: those may hold secrets."""
    origin: Any = getattr(error, "orig", None) or error
    if isinstance(origin, sqlite3.Error):
        return str(origin)
    state = getattr(origin, "sqlstate", None)
    if isinstance(state, str):
        said = origin.diag.message_primary if state.startswith(_OF_THE_SERVER) else None
        return f"{type(origin).__name__} ({state})" + (f": {said}" if said else "")
    said = "" if isinstance(origin, sa.SQLAlchemyError) else str(origin)  # its own would be the statement
    return _why_no_connection(said) or type(origin).__name__


_NO_CONNECTION = (
    ("password authentication failed", "the server does not take this user and password: see LASTSEEN_DATABASE_URL"),
    ("no password supplied", "the server wants a password: see LASTSEEN_DATABASE_URL"),
    ("no pg_hba.conf entry", "the server lets nobody in from here as this user (its pg_hba.conf)"),
    ("too many connections for", "the server has too many connections of this user or database (CONNECTION LIMIT)"),
    ('role "', "there is no such user on the server: see LASTSEEN_DATABASE_URL"),
    ("does not exist", "the server has no database of this name: see LASTSEEN_DATABASE_URL"),
    ("too many clients", "the server has no connection free (max_connections)"),
    ("connection slots", "the server has no connection free (max_connections)"),
    ("starting up", "the server is starting"),
    ("yet accepting connections", "the server is starting"),
    ("recovery mode", "the server starts again after a crash"),
    ("accepting connections", "the server takes no connections now"),
    ("shutting down", "the server is shutting down"),
    ("definition of service", "there is no such service in pg_service.conf"),
    ("translate host name", "the name of its host cannot be resolved: see LASTSEEN_DATABASE_URL"),
    ("resolve host", "the name of its host cannot be resolved: see LASTSEEN_DATABASE_URL"),
    ("Connection refused", "nobody listens at that host and port: see LASTSEEN_DATABASE_URL"),
    ("timeout expired", "no answer from that host and port: see LASTSEEN_DATABASE_URL"),
    ("Connection timed out", "no answer from that host and port: see LASTSEEN_DATABASE_URL"),
    ("No route to host", "there is no way to that host: see LASTSEEN_DATABASE_URL"),
    ("unreachable", "there is no way to that host: see LASTSEEN_DATABASE_URL"),
    ("does not support SSL", "the server has no TLS, and sslmode wants it: see LASTSEEN_DATABASE_URL"),
    ("certificate", "the server's certificate is not to be trusted (sslmode, sslrootcert): see LASTSEEN_DATABASE_URL"),
    ("read-write", "none of the hosts can be written to (target_session_attrs)"),
    ("read-only", "none of the hosts can be written to (target_session_attrs)"),
    ("closed the connection", "the server closed the connection"),
    ("Connection reset", "the server closed the connection"),
    ("Broken pipe", "the server closed the connection"),
)
"""What libpq says when it gets no connection, as far as it matters, and what that means. Its own words may hold what
was mistaken for a host's name: with an unescaped `@` in the password a part of that."""


def _why_no_connection(said: str) -> str | None:
    """By the first of them, which the more particular ones precede."""
    return next((why for words, why in _NO_CONNECTION if words in said), None)
