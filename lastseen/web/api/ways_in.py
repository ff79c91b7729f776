"""The OpenAPI descriptions of the other routes that are served outside FastAPI: batches, and other systems' clients."""

from __future__ import annotations

from typing import Any

from lastseen.web.api.heartbeat import REPORT, problem_responses

_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_WORD = "^[-A-Za-z0-9_]+$"
_DOES = "^(start|fail|log|[0-9]+)$"
_TAG = "clients of other systems"

ROW = {
    "type": "object",
    "description": "As a Report, and which machine it is of.",
    "required": ["machine"],
    "additionalProperties": True,
    "properties": {
        "machine": {
            "description": "its id or its slug",
            "oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minLength": 1, "maxLength": 200}],
        },
        **REPORT["properties"],  # type: ignore[dict-item]  # it is a dict
    },
}

BATCH_RESULT = {
    "type": "object",
    "required": ["accepted", "rejected"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0, "description": "rows that are stored"},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "error"],
                "properties": {
                    "index": {"type": "integer", "minimum": 0, "description": "which row, from 0"},
                    "error": {"type": "string"},
                },
            },
        },
    },
}

SCHEMAS = {"Row": ROW, "BatchResult": BATCH_RESULT}


def ways_in() -> dict[str, Any]:
    """Paths and their operations."""
    return {
        "/api/v1/heartbeats": {"post": _batch()},
        "/ping/{uuid}": {"get": _ping("ping_by_uuid", [_path("uuid", _UUID)])},
        "/ping/{uuid}/{does}": {"get": _ping("ping_by_uuid_what", [_path("uuid", _UUID), _path("does", _DOES)])},
        "/ping/{ping_key}/{slug}/{does}": {
            "get": _ping(
                "ping_by_slug_what", [_path("ping_key", _WORD), _path("slug", _WORD), _path("does", _DOES), _CREATE]
            )
        },
        "/api/push/{token}": {"get": _push()},
        "/agent/metrics": {"post": _metrics()},
    }


def _batch() -> dict[str, Any]:
    return {
        "summary": "Report in for many machines",
        "description": "By a fleet key (`lsf_…`). Up to 10,000 rows and 8 MiB, as a JSON array or one object a line. "
        "One bad row never rejects the others. Answered when every accepted row is durable.",
        "operationId": "heartbeats",
        "tags": ["heartbeats"],
        "security": [{"bearer": []}, {"apiKey": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "array", "maxItems": 10_000, "items": {"$ref": "#/components/schemas/Row"}},
                    "examples": {"two": {"value": [{"machine": "db-01"}, {"machine": 7, "free_memory": 1.2e9}]}},
                },
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": '{"machine":"db-01"}\n{"machine":7}\n',
                },
            },
        },
        "responses": {
            "200": {
                "description": "what became of the rows",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/BatchResult"}}},
            },
            **problem_responses("400", "401", "403", "405", "408", "413", "415", "429", "503"),
        },
    }


def _path(name: str, pattern: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": pattern}}


def _query(name: str, what: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": what, "schema": {"type": "string", **schema}}


_CREATE = _query("create", "`1` makes the machine if there is none of this slug")
_RID = _query("rid", "a UUID that joins the start of a run to its end", format="uuid")


def _texts(**meanings: str) -> dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {status.removeprefix("_"): {"description": what, "content": content} for status, what in meanings.items()}


def _ping(operation: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """Any method does the same; one of them stands for all."""
    return {
        "summary": "A ping, as Healthchecks takes them",
        "description": "Any method. `does`: `start`, `fail`, `log`, or an exit code; without it, a success. The "
        "address is the secret. The first 10,000 bytes of a body are kept.",
        "operationId": operation,
        "tags": [_TAG],
        "parameters": [*parameters, _RID],
        "responses": _texts(
            _200="stored",
            _201="stored, and the machine was made for it",
            _400="the exit code is above 255, the slug has upper case or over 200 characters, or `rid` is no UUID",
            _404="there is no such address",
            _408="the body did not arrive in time",
            _429="too often",
            _503="it cannot be stored now",
        ),
    }


def _push() -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}}}}
    meanings = {
        "200": "stored",
        "404": "no such address, or `ping` is negative or too large",
        "429": "too often",
        "503": "it cannot be stored now",
    }
    return {
        "summary": "A push, as Uptime Kuma takes them",
        "description": "Any method; only the query is read. The address is the secret.",
        "operationId": "push",
        "tags": [_TAG],
        "parameters": [
            _path("token", "^[^/]+$"),
            _query("status", "`up`, which is the default; anything else is a fault"),
            _query("msg", "a text, `OK` by default"),
            _query("ping", "milliseconds"),
        ],
        "responses": {status: {"description": what, "content": content} for status, what in meanings.items()},
    }


def _metrics() -> dict[str, Any]:
    percent = {"type": "number", "minimum": 0, "maximum": 100}
    names = ["cpu_pct", "mem_used_pct", "disk_used_pct"]
    error = {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}}
    meanings = {
        "400": "the body cannot be read, or a percentage is out of range",
        "401": "no key, or a wrong one",
        "403": "the machine is disabled, or the key is none of a machine's",
        "405": "another method than POST",
        "408": "the body did not arrive in time",
        "413": "the body is longer than 64 KiB",
        "415": "the body is compressed",
        "429": "too often",
        "503": "it cannot be stored now",
    }
    schema = {"type": "object", "required": names, "properties": dict.fromkeys(names, percent)}
    return {
        "summary": "Numbers, as LunaSentri's agent sends them",
        "operationId": "agent_metrics",
        "tags": [_TAG],
        "security": [{"apiKey": []}, {"bearer": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "202": {"description": "stored"},
            **{status: {"description": what, "content": error} for status, what in meanings.items()},
        },
    }
