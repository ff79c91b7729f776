"""Small tools that the sql_* modules share. Everything here runs in the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar, cast

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    bindparam,
    delete,
    or_,
    select,
)
from sqlalchemy import cast as cast_
from sqlalchemy.dialects.postgresql import insert  # SQLite renders it too
from sqlmodel import SQLModel

from lastseen.errors import InvalidInput
from lastseen.storage.tables import Meta
from lastseen.words import say

T = TypeVar("T")
_json = msgspec.json.Encoder()

CHUNK = 500
"""Values in one IN list."""

GREATEST_ID = 2**31 - 1
"""What PostgreSQL's column holds. A greater one is nobody's, and need not be asked for."""


GREATEST_NUMBER = 2**63 - 1
"""What the ids of events and notifications can be, which a big fleet makes more of."""


def is_id(number: int) -> bool:
    """Whether it can be one: none other is asked for, which is nobody's."""
    return 0 < number <= GREATEST_ID


def bounded(after: int) -> int:
    """An id to go on behind: those beyond all others mean the same as the last."""
    return min(max(after, 0), GREATEST_ID)


def most(limit: int) -> int:
    """How many rows are wanted at most. Raises InvalidInput."""
    if limit < 0:
        raise InvalidInput(say("must not be negative"), "limit")
    return min(limit, GREATEST_NUMBER)


def visible(owner: Column[Any], user: int) -> ColumnElement[bool]:
    """What belongs to this user (0: nobody), or is shared."""
    return or_(owner.is_(None), owner == user)


def table(model: type[SQLModel]) -> Table:
    """The Core table of a class."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    everything = list(values)
    for start in range(0, len(everything), size):
        yield everything[start : start + size]


def several(name: str = "several") -> BindParameter[Any]:
    """A list as one parameter of a statement that is built once: `column.in_(several())`."""
    return bindparam(name, expanding=True)


def seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def span(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def dumped(value: Mapping[str, Any]) -> str:
    return _json.encode(dict(value)).decode()


def loaded(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text)
    return value


def meta_value(connection: Connection, key: str) -> str | None:
    meta = table(Meta)
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()


def set_meta(connection: Connection, key: str, value: str) -> None:
    put = insert(table(Meta)).values(key=key, value=value)
    connection.execute(put.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def drop_meta(connection: Connection, key: str) -> None:
    connection.execute(delete(table(Meta)).where(table(Meta).c.key == key))


_ONE_MORE = cast_(cast_(table(Meta).c.value, BigInteger) + 1, Text)


def bump(connection: Connection, key: str) -> None:
    """Count a version in `meta` up, in one statement: of two that count at once each counts."""
    put = insert(table(Meta)).values(key=key, value="1")
    connection.execute(put.on_conflict_do_update(index_elements=["key"], set_={"value": _ONE_MORE}))
