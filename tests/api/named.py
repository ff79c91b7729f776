"""Every answer of the API beside its OpenAPI document: no field is answered that its schema does not name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

DOCUMENT = "/api/v1/openapi.json"

_DOCUMENTS: list[Mapping[str, Any]] = []
"""The one there is, once it was read: it is the same for every server here."""


async def hold_to_schema(answer: httpx.Response) -> None:
    """For a client's hooks. Raises AssertionError naming the fields."""
    path, kind = answer.request.url.path, answer.headers.get("content-type")
    if not (answer.is_success and path.startswith("/api/v1/") and kind == "application/json") or path == DOCUMENT:
        return
    await answer.aread()
    schema, asked = _schema_of(answer), f"{answer.request.method} {path}"
    assert schema is not None, f"{asked} answers {answer.status_code}, which is described nowhere"
    found = sorted(set(_unnamed(schema, answer.json(), "")))
    assert not found, f"{asked} answers, and its schema does not say: {found}"


async def read_document(http: httpx.AsyncClient) -> None:
    """Before the first answer is looked at."""
    if not _DOCUMENTS:
        _DOCUMENTS.append((await http.get(DOCUMENT)).json())


def _schema_of(answer: httpx.Response) -> Mapping[str, Any] | None:
    asked = answer.request.url.path
    for path in sorted(_DOCUMENTS[0]["paths"], key=lambda one: one.count("{")):
        operation = _DOCUMENTS[0]["paths"][path].get(answer.request.method.lower())
        if operation and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), asked):
            content = operation["responses"].get(str(answer.status_code), {}).get("content", {})
            found: Mapping[str, Any] | None = content.get("application/json", {}).get("schema")
            return found
    return None


def _unnamed(schema: Mapping[str, Any], value: Any, place: str) -> Iterator[str]:
    """An object whose fields nobody names may have any."""
    while "$ref" in schema:
        schema = _DOCUMENTS[0]["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if choices := schema.get("anyOf") or schema.get("allOf"):
        yield from min((list(_unnamed(one, value, place)) for one in choices if _fits(one, value)), key=len, default=[])
    elif isinstance(value, list):
        for one in value:
            yield from _unnamed(schema.get("items", {}), one, f"{place}[]")
    elif isinstance(value, dict):
        named, more = schema.get("properties"), schema.get("additionalProperties")
        for name, one in value.items():
            if named is not None and name in named:
                yield from _unnamed(named[name], one, f"{place}.{name}")
            elif isinstance(more, dict):
                yield from _unnamed(more, one, f"{place}.*")
            elif named is not None:
                yield f"{place}.{name}"


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    return (schema.get("type") == "null") == (value is None)
