"""What the tables are made of: their metadata, and columns, checks and indexes in one form."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, MetaData, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

NAMES = {
    "ix": "%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)

COUNTED = {"sqlite_autoincrement": True}
YES, NO, ZERO, ONE = text("TRUE"), text("FALSE"), text("0"), text("1")


class Base(SQLModel, registry=registry(metadata=metadata)):
    """Rows are read and written with SQLAlchemy Core; the classes say what they are, and check nothing."""

    model_config = {"defer_build": True}


def check(name: str, condition: str) -> CheckConstraint:
    return CheckConstraint(text(condition), name=name)


def one_of(column: str, words: str) -> CheckConstraint:
    return check(column, f"{column} IN ({', '.join(repr(word) for word in words.split())})")


def index(name: str, *columns: str, where: str | None = None, unique: bool = False) -> Index:
    condition: Any = text(where) if where else None
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def text_column(default: str | None = None, null: bool = False) -> Any:
    """A text column (never VARCHAR(n): lengths are checked where they are entered)."""
    server = None if default is None else text(f"'{default}'")
    return Field(default=default, sa_column=Column(Text, nullable=null, server_default=server))
