"""The OpenAPI description of `POST /api/v1/heartbeat`, which is served outside FastAPI for speed."""

from __future__ import annotations

from typing import Any

_PROBLEMS = {
    "400": "the body is no JSON object, or no batch of them",
    "401": "no key, or one that is wrong, expired or revoked",
    "403": "the machine is disabled, or the key is for something else",
    "404": "the machine is gone",
    "405": "another method than POST",
    "408": "the body did not arrive in time",
    "413": "the body is too long: 64 KiB for one report, 8 MiB or 10,000 rows for a batch",
    "415": "the body is compressed, which it must not be",
    "422": "a field has a wrong value; `errors` names it",
    "429": "this key is used too often, or too many wrong ones come from this address; see `Retry-After`",
    "503": "it cannot be stored now; try again after `Retry-After` seconds",
}

REPORT = {
    "type": "object",
    "description": "All fields are optional, and unknown ones are kept.",
    "additionalProperties": True,
    "properties": {
        "timestamp": {
            "type": "string",
            "format": "date-time",
            "description": "the machine's own time; information only",
        },
        "uptime_seconds": {"type": "number", "minimum": 0},
        "free_memory": {"type": "number"},
        "status": {
            "type": "string",
            "enum": ["ok", "error", "offline", "start"],
            "description": "`offline` is a goodbye; an `error` ends with an `ok`; a run of a job begins with `start`",
        },
        "message": {"type": "string"},
        "next_in": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 31536000,
            "description": "seconds until the next heartbeat: the threshold of this one silence is counted from then",
        },
        "metrics": {"type": "object", "additionalProperties": {"type": "number"}},
        "run": {"type": "string", "format": "uuid", "description": "of a job: the same at a run's start and its end"},
        "exit_code": {"type": "integer", "description": "of a job: how its run ended"},
        "duration_seconds": {"type": "number", "minimum": 0, "description": "of a job: how long its run took"},
        "output": {"type": "string", "description": "of a job: the end of what it printed; 10,000 characters are kept"},
    },
}

EXAMPLES: dict[str, Any] = {
    "alive": {"summary": "a plain heartbeat with numbers", "value": {"uptime_seconds": 86400, "free_memory": 1.2e9}},
    "error": {
        "summary": "the machine reports a fault itself",
        "value": {"status": "error", "message": "disk is full", "metrics": {"disk_used_percent": 99.8}},
    },
    "goodbye": {"summary": "a clean shutdown", "value": {"status": "offline"}},
}


def heartbeat_operation() -> dict[str, Any]:
    """The operation, as it stands under its path."""
    return {
        "summary": "Report in",
        "description": "The machine that the key belongs to is alive. Answered when that is durable. "
        "The body may be empty; its content type does not matter.",
        "operationId": "heartbeat",
        "tags": ["heartbeats"],
        "security": [{"bearer": []}, {"apiKey": []}],
        "requestBody": {
            "required": False,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Report"}, "examples": EXAMPLES}},
        },
        "responses": {"204": {"description": "stored"}, **problem_responses(*_PROBLEMS)},
    }


def problem_responses(*statuses: str) -> dict[str, Any]:
    """The errors of a route."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {"description": _PROBLEMS[status], "content": {"application/problem+json": {"schema": schema}}}
        for status in statuses
    }
