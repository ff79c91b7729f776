"""`/api/docs`: the OpenAPI document as a page, made here: nothing of it comes from somebody else's servers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import escape

from lastseen.web.api.openapi import METHODS
from lastseen.web.dashboard.rendering import Rendered, templates
from lastseen.web.languages import language_of
from lastseen.web.who import entrance_of

router = APIRouter()

SCHEMAS = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Type:
    """What a value is, in words; `of`: the schema that the words lead to, "" for none."""

    words: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: Type
    required: bool
    what: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    what: str
    type: Type | None
    example: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    name: str
    summary: str
    paragraphs: tuple[str, ...]
    parameters: tuple[Field, ...]
    body: Type | None
    example: str | None
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    name: str
    what: str
    fields: tuple[Field, ...]


HERE = "http://here.invalid"
"""Stands in the page that is kept for where this server is, by whoever asks."""


@router.get("/api/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """Written once for each language: everybody may ask, and it is long."""
    state, language = request.app.state, language_of(request)
    state.api_docs = kept = getattr(state, "api_docs", {})
    if language.tag not in kept:
        kept[language.tag] = (await _page(request).written()).decode()
    text = kept[language.tag].replace(HERE, str(escape(entrance_of(request).front.reached(request.scope))))
    return HTMLResponse(text, headers={"Cache-Control": "no-store", "Vary": "Accept-Language"})


def _page(request: Request) -> Rendered:
    document = request.app.openapi()
    groups: dict[str, list[Operation]] = {}
    for tag, operation in operations(document):
        groups.setdefault(tag, []).append(operation)
    return templates(
        request,
        "api_docs.html",
        here_is=HERE,
        title=document["info"]["title"],
        groups=groups,
        schemas=schemas(document),
    )


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, Operation]]:
    """All, each with its tag."""
    known = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                said = methods[method]
                yield said.get("tags", ["other"])[0], _operation(path, method, said, known)


def schemas(document: Mapping[str, Any]) -> list[Schema]:
    """Those with fields, by name."""
    known: Mapping[str, Any] = document["components"]["schemas"]
    return [
        Schema(name, one.get("description", ""), tuple(_fields(one)))
        for name, one in sorted(known.items())
        if one.get("properties")
    ]


def _operation(path: str, method: str, said: Mapping[str, Any], known: Mapping[str, Any]) -> Operation:
    body = _content(said.get("requestBody", {}))
    return Operation(
        method=method.upper(),
        path=path,
        name=said["operationId"],
        summary=said.get("summary", ""),
        paragraphs=tuple(part for part in said.get("description", "").split("\n\n") if part),
        parameters=tuple(
            Field(
                one["name"],
                type_of(one["schema"]),
                one.get("required", False),
                one.get("description") or one["schema"].get("description", ""),
                one["in"],
            )
            for one in said.get("parameters", ())
        ),
        body=None if body is None else type_of(body["schema"]),
        example=None if body is None else _example(body, known),
        answers=tuple(_answer(status, one, known) for status, one in sorted(said["responses"].items())),
    )


def _answer(status: str, said: Mapping[str, Any], known: Mapping[str, Any]) -> Answer:
    content = _content(said)
    if content is None or status >= "4":
        return Answer(
            status, said.get("description", ""), None if content is None else type_of(content["schema"]), None
        )
    return Answer(status, said.get("description", ""), type_of(content["schema"]), _example(content, known))


def _content(said: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first kind of body that is described."""
    for content in said.get("content", {}).values():
        if "schema" in content:
            return dict(content)
    return None


def _example(content: Mapping[str, Any], known: Mapping[str, Any]) -> str | None:
    """As JSON, where one is given with the body or with its schema."""
    found = next((one["value"] for one in content.get("examples", {}).values()), content.get("example"))
    if found is None:
        found = _example_of(content["schema"], known)
    return (
        None if found is None else found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, indent=2)
    )


def _example_of(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    for one in (schema, *schema.get("anyOf", ())):
        if "$ref" in one:
            return _example_of(known[one["$ref"].removeprefix(SCHEMAS)], known)
        if "example" in one:
            return one["example"]
        if one.get("examples"):
            return one["examples"][0]
    item = schema.get("properties", {}).get("items")
    inner = None if item is None else _example_of(item.get("items", {}), known)
    return None if inner is None else {"items": [inner], "next": None}


def _fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    for name, one in schema["properties"].items():
        yield Field(name, type_of(one), name in schema.get("required", ()), one.get("description", ""))


def type_of(schema: Mapping[str, Any]) -> Type:
    """In words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(SCHEMAS)
        return Type(name, name)
    if "anyOf" in schema or "oneOf" in schema:
        parts = [type_of(one) for one in schema.get("anyOf", schema.get("oneOf", ()))]
        return Type(" or ".join(dict.fromkeys(part.words for part in parts)), next((p.of for p in parts if p.of), ""))
    if "enum" in schema or "const" in schema:
        return Type(", ".join(str(value) for value in schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        inner = type_of(schema.get("items", {}))
        return Type(f"list of {inner.words}", inner.of)
    return Type(" ".join(filter(None, (str(schema.get("type", "anything")), _bounds(schema)))))


def _bounds(schema: Mapping[str, Any]) -> str:
    least, most = (schema.get(f"{side}imum", schema.get(f"{side}Length")) for side in ("min", "max"))
    span = {(True, True): f"{least} to {most}", (True, False): f"from {least}", (False, True): f"up to {most}"}
    said = [schema.get("format", ""), span.get((least is not None, most is not None), "")]
    return ", ".join(filter(None, said)) and f"({', '.join(filter(None, said))})"
