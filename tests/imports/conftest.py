"""The command, a database to move into, and the databases of other programs to move from."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli, cli, fresh  # noqa: F401  (fixtures)
from tests.imports.programs import POSTGRES, Healthchecks, Kuma, LunaSentri
from tests.servers.postgres import PostgresServer


@pytest.fixture
def healthchecks(tmp_path: Path) -> Healthchecks:
    return Healthchecks(tmp_path / "hc.sqlite")


@pytest.fixture
def kuma(tmp_path: Path) -> Kuma:
    return Kuma(tmp_path / "kuma.db")


@pytest.fixture
def lunasentri(tmp_path: Path) -> LunaSentri:
    return LunaSentri(tmp_path / "lunasentri.db")


@pytest.fixture
def hc_postgres(postgres_server: PostgresServer) -> str:
    """The address of a database of Healthchecks with what the dumps of `test_sources` hold."""
    name = postgres_server.database()
    for statement in POSTGRES:
        postgres_server.execute(statement, name)
    return str(postgres_server.url(name))


def moved(report: Mapping[str, Any], kind: str | None = None) -> dict[str, dict[str, Any]]:
    """What became of each, by its name there."""
    return {row["name"]: row for row in report["moved"] if kind is None or row["kind"] == kind}


def machines(cli: Cli) -> dict[str, dict[str, Any]]:  # noqa: F811
    return {machine["slug"]: machine for machine in cli.json("machines", "list")}


def content(cli: Cli) -> list[str]:  # noqa: F811
    """All that is in our database."""
    with closing(sqlite3.connect(cli.folder / "lastseen.db")) as database:
        return list(database.iterdump())
