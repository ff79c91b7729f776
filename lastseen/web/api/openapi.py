"""The OpenAPI document: FastAPI's, with the routes that are served outside it, and how each may be refused."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from lastseen.ingest.http import HEARTBEAT_PATH
from lastseen.web.api.asked import PREFIX
from lastseen.web.api.heartbeat import REPORT, heartbeat_operation
from lastseen.web.api.models import ProblemDetails
from lastseen.web.api.ways_in import SCHEMAS, ways_in

SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}, {"session": []}]
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "lsm_…, lsf_…, lsa_…"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "session": {"type": "apiKey", "in": "cookie", "name": "lastseen", "description": "of somebody who is logged in"},
}
ALWAYS = {
    "401": "no key and nobody logged in, or a key that is wrong, expired or revoked",
    "403": "who asks may not do this; `detail` says who may",
    "429": "too many requests with wrong keys from this address; see `Retry-After`",
    "503": "the store cannot take this now; try again after `Retry-After` seconds",
}
WITH_INPUT = {"422": "a value is wrong; `errors` names it"}
WITH_ID = {"404": "there is no such thing, or none for who asks to see"}
WITH_BODY = {
    "400": "the body is no JSON",
    "413": "the body is longer than 64 KiB",
    "415": "the body is not sent as application/json",
}
WITH_CHANGE = {"409": "it is there already, or not in a state to do this"}
NAMING = frozenset({"machine", "channel"})
"""Parameters that may name what there is not."""

METHODS = ("get", "post", "put", "patch", "delete")


def document_of(app: FastAPI) -> dict[str, Any]:
    """Made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _document(app)
        if prefix := app.state.entrance.front.prefix:
            app.openapi_schema["servers"] = [{"url": prefix}]
    return app.openapi_schema


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    for path, operations in document["paths"].items():
        if path.startswith(PREFIX):
            for method, operation in operations.items():
                _complete(path, method, operation)
    document["paths"] = {HEARTBEAT_PATH: {"post": heartbeat_operation()}, **ways_in(), **document["paths"]}
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"), ProblemDetails=problem, Report=REPORT, **SCHEMAS)
    components["securitySchemes"] = SCHEMES
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """With what every route of the management API has in common."""
    if operation["operationId"] != "log_in":
        operation.setdefault("security", SECURITY)
    _speak(operation)
    responses = operation["responses"]
    responses.pop("422", None)
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    wanted = dict(ALWAYS)
    if operation.get("parameters") or "requestBody" in operation:
        wanted |= WITH_INPUT
    if "{" in path or method != "get" or names & NAMING:
        wanted |= WITH_ID
    if "requestBody" in operation:
        wanted |= WITH_BODY
    if method != "get":
        wanted |= WITH_CHANGE
    for status, what in sorted(wanted.items()):
        responses.setdefault(status, refusal(what))


def _speak(operation: dict[str, Any]) -> None:
    """The first line of a route's docstring is its summary, where that is no sentence: what FastAPI says is the name of
    its function."""
    first, _, rest = operation.get("description", "").partition("\n\n")
    if first and not first.endswith("."):
        operation["summary"], operation["description"] = first, " ".join(rest.split())
        if not rest:
            del operation["description"]


def refusal(what: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": what, "content": {"application/problem+json": {"schema": schema}}}
