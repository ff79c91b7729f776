"""Schemathesis over every route that reports come in by, and those beside them: requests that fit the OpenAPI document,
and requests that do not. The management API: `tests/api/test_described.py`."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lastseen.ingest.auth import new_key, new_ping_uuid
from tests.foreign.conftest import add
from tests.server.conftest import Served, a_server

EXAMPLES = int(os.environ.get("LASTSEEN_TEST_LIVES", "24")) // 3

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ROUTES = {
    "POST /api/v1/heartbeat", "POST /api/v1/heartbeats", "GET /ping/{uuid}", "GET /ping/{uuid}/{does}",
    "GET /ping/{ping_key}/{slug}/{does}", "GET /api/push/{token}", "POST /agent/metrics",
    "GET /api/v1/machines/{id}/status", "GET /api/v1/devices/{id}/status", "GET /metrics", "GET /healthz",
    "GET /readyz",
}  # fmt: skip
STORED = (
    "SELECT id, slug, deleted_at FROM machines",
    "SELECT machine_id, last_seen FROM liveness",
    "SELECT count(*), max(id) FROM reports",
    "SELECT * FROM latest_reports",
    "SELECT count(*), max(id) FROM machine_api_keys",
)


@dataclass
class Asked:
    """A server with machine `m`, somebody's valid keys and addresses, and what was answered to whom."""

    served: Served
    file: Path
    keys: Mapping[str, str]
    answers: dict[str, Counter[int]] = field(default_factory=dict)

    def stored(self) -> list[Any]:
        """All that a request can leave behind."""
        with sqlite3.connect(self.file) as db:
            found = [db.execute(query).fetchall() for query in STORED]
        db.close()
        return found

    def ask(self, case: Any, key: str | None, real: bool) -> None:
        if real:  # what no generator guesses
            known = {"uuid": self.keys["uuid"], "token": self.keys["token"], "ping_key": self.keys["ping"], "id": "m"}
            case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        before = self.stored()
        answer = case.call(headers={} if key is None else {"X-API-Key": key})
        case.validate_response(answer, checks=CHECKS)
        refused = answer.status_code >= 400
        assert not refused or self.stored() == before, (answer.status_code, "and yet something is stored")
        self.answers.setdefault(case.operation.label, Counter())[answer.status_code] += 1


def fuzz(asked: Asked, operation: Any, mode: GenerationMode) -> None:
    keys = st.sampled_from([None, "lsm_wrong", *asked.keys.values()]) | st.sampled_from([*asked.keys.values()])

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode), keys, st.booleans())
    def each(case: Any, key: str | None, real: bool) -> None:
        asked.ask(case, key, real)

    each()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
async def test_no_request_breaks_a_route_and_what_is_refused_leaves_nothing(
    tmp_path: Path, mode: GenerationMode
) -> None:
    async with a_server(tmp_path, rate_limit="off", metrics="public") as served:
        machine = await served.app.monitor.watch("m", expect="new")
        keys = {
            "machine": await add(served, "machine", new_key("machine"), machine_id=machine.id),
            "fleet": await add(served, "fleet", new_key("fleet"), defaults={"may_create": True}),
            "api": await add(served, "api", new_key("api")),
            "ping": await add(served, "ping", new_key("ping"), defaults={"may_create": True}),
            "uuid": await add(served, "ping", new_ping_uuid(), machine_id=machine.id),
            "token": await add(served, "push", new_key("push"), machine_id=machine.id),
        }
        asked = Asked(served, tmp_path / "lastseen.db", keys)
        schema = await asyncio.to_thread(schemathesis.openapi.from_url, f"{served.url}/api/v1/openapi.json")
        described = [found.ok() for found in schema.get_all_operations()]
        operations = [operation for operation in described if operation.label in ROUTES]
        assert {operation.label for operation in operations} == ROUTES
        for operation in operations:
            if mode is GenerationMode.POSITIVE or can_be_wrong(operation):
                await asyncio.to_thread(fuzz, asked, operation, mode)
        kinds = {status // 100 for counted in asked.answers.values() for status in counted}
        assert {2, 4} <= kinds, asked.answers


def can_be_wrong(operation: Any) -> bool:
    """A route without parameters and body takes no wrong ones."""
    return bool(operation.body or operation.path_parameters or operation.query)
