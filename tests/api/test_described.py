"""Schemathesis over the management API, in this process: what fits the OpenAPI document and what does not, by who may
do everything; nothing is answered but what is described, and nothing breaks."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.conftest import URL, Api, an_api
from tests.api.test_channels import HOOK

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = int(os.environ.get("LASTSEEN_TEST_LIVES", "30")) // 10
ELSEWHERE = {"stream", "log_in", "log_out", "sources_try"}
"""Operations that have tests of their own: one does not end, one looks for brokers wherever it is told to,
the others need passwords and cookies."""

KNOWN = ("m", "1", "ops", "2", "server", "http", "house", "ada", str(2**63), "%00", "☃")


async def furnish(api: Api) -> None:
    """Something of each kind."""
    await api.add("m")
    await api.post("/channels", json={"type": "console", "name": "out"})
    await api.post("/channels", json=HOOK)
    await api.post("/silences", json={"name": "s", "machines": {"all": True}})
    await api.post("/users", json={"name": "ada", "role": "admin"})
    await api.app.monitor.heartbeat("m", {"status": "error", "message": "disk"})


class Asker:
    """Asks in the loop of the test, from the thread that Hypothesis runs in."""

    def __init__(self, api: Api, loop: asyncio.AbstractEventLoop) -> None:
        self._api, self._loop = api, loop
        self.answers: Counter[int] = Counter()

    def ask(self, case: Any, ref: str | None) -> None:
        if ref is not None and "id" in case.path_parameters:  # what no generator guesses
            case.path_parameters["id"] = ref
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {self._api.key}"}
        said = case.as_transport_kwargs(base_url=URL)
        answer = asyncio.run_coroutine_threadsafe(self._send(said), self._loop).result(60)
        case.validate_response(schemathesis.Response.from_httpx(answer, verify=False), checks=CHECKS)
        self.answers[answer.status_code] += 1

    async def _send(self, said: dict[str, Any]) -> httpx.Response:
        """As the client of this process takes what was made for another."""
        taken = {
            name: said[name] for name in ("method", "url", "headers", "params", "json") if said.get(name) is not None
        }
        if isinstance(said.get("data"), bytes | str):
            taken["content"] = said["data"]
        return await self._api.http.request(**taken)


@pytest.mark.filterwarnings("ignore:Do not use the .random. module")  # the server uses it beside, in another thread
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
async def test_no_request_breaks_the_management_api(tmp_path: Path, mode: GenerationMode) -> None:
    async with an_api(tmp_path, rate_limit="off") as api:
        await furnish(api)
        document = (await api.ask("GET", "/openapi.json")).json()
        schema = schemathesis.openapi.from_dict(document)
        asker = Asker(api, asyncio.get_running_loop())
        for found in schema.get_all_operations():
            operation = found.ok()
            wrong = bool(operation.body or operation.path_parameters or operation.query)
            if is_managing(operation) and (mode is GenerationMode.POSITIVE or wrong):
                await asyncio.to_thread(fuzz, asker, operation, mode)
        assert {status // 100 for status in asker.answers} >= ({2, 4} if mode is GenerationMode.POSITIVE else {4})


def is_managing(operation: Any) -> bool:
    """It is one of the management API's, and none that has tests of its own."""
    raw = operation.definition.raw
    managing = operation.path.startswith("/api/v1/") and {"session": []} in raw.get("security", ())
    return managing and raw["operationId"] not in ELSEWHERE


def fuzz(asker: Asker, operation: Any, mode: GenerationMode) -> None:
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(operation.as_strategy(generation_mode=mode), st.none() | st.sampled_from(KNOWN))
    def each(case: Any, ref: str | None) -> None:
        asker.ask(case, ref)

    each()
