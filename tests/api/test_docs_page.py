"""The OpenAPI document, and the page that is made of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter

from lastseen.web.api import channel_models, docs, machine_models, other_models
from lastseen.web.api.asked import Said
from tests.api.conftest import URL, Api, an_api
from tests.api.named import hold_to_schema

METHODS = ("get", "post", "put", "patch", "delete")


async def operations(api: Api) -> dict[tuple[str, str], Any]:
    document = (await api.ask("GET", "/openapi.json", key="")).json()
    return {(method, path): one for path, some in document["paths"].items() for method, one in some.items()}


async def test_every_operation_says_what_it_is_for_who_may_ask_and_how_it_is_refused(api: Api) -> None:
    for (method, path), one in (await operations(api)).items():
        assert one["summary"], path
        if not path.startswith("/api/v1"):
            continue
        assert "security" in one or one["operationId"] == "log_in", path
        assert one["responses"].keys() >= {"401", "403", "503"}, path
        for status in one["responses"]:
            if status >= "4":
                assert set(one["responses"][status]["content"]) == {"application/problem+json"}, (method, path, status)


async def test_every_body_has_an_example_that_fits(api: Api) -> None:
    known = [one for module in (machine_models, channel_models, other_models) for one in vars(module).values()]
    models = [one for one in known if isinstance(one, type) and issubclass(one, Said) and one is not Said]
    for model in models:
        name = model.__name__
        example = model.model_json_schema().get("example")
        if example is not None:
            TypeAdapter(model).validate_python(example)
        else:
            assert name in {"Pausing", "Seen", "Disabling", "Rotating", "Which"}, name


async def test_schemas_have_plain_names_and_examples_of_their_fields(api: Api) -> None:
    schemas = (await api.ask("GET", "/openapi.json", key="")).json()["components"]["schemas"]
    assert [name for name in schemas if "__" in name] == [], "two classes are called so: one is named by its module"
    for name, schema in schemas.items():
        if "example" in schema:
            assert schema["example"].keys() <= schema["properties"].keys(), name


async def test_an_answer_with_a_field_that_its_schema_does_not_name_fails_its_test(api: Api) -> None:
    said = {"machine": "db-01", "name": "db-01", "strange": 1}
    pages = {"items": [{"lines": [said]}], "next": None}
    answer = httpx.Response(200, json=pages, request=httpx.Request("GET", f"{URL}/api/v1/status-pages"))
    with pytest.raises(AssertionError, match=r"\['.items\[\].lines\[\].name', '.items\[\].lines\[\].strange'\]"):
        await hold_to_schema(answer)
    answer.request = httpx.Request("GET", f"{URL}/api/v1/nobody-described-this")
    with pytest.raises(AssertionError, match="described nowhere"):
        await hold_to_schema(answer)


async def test_the_page_names_every_operation_and_needs_nothing_from_elsewhere(api: Api) -> None:
    answer = await api.ask("GET", "/api/docs", key="")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    page = answer.text
    for one in (await operations(api)).values():
        assert f'id="{one["operationId"]}"' in page
    assert set(re.findall(r'(?:src|href)="([^"#]*)', page)) >= {"/api/v1/openapi.json"}
    for address in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert address.startswith(("/", "#")), address
    assert not re.search(r"<style|<script(?![^>]*src=)| on\w+=|style=", page)
    ids = re.findall(r'id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]*)"', page):
        assert target in ids, target


async def test_every_route_of_the_api_is_described(api: Api) -> None:
    described = await operations(api)
    for route in iter_route_contexts(api.app.api.routes):
        if route.path.startswith("/api/v1/") and "openapi" not in route.path:
            assert {(method.lower(), route.path) for method in route.methods or ()} <= set(described), route.path


async def test_the_page_is_made_once_and_says_where_each_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the settings say how the server is reached, it is that."""
    made = 0

    def counted(document: Any) -> Any:
        nonlocal made
        made += 1
        return operations_of(document)

    operations_of = docs.operations
    monkeypatch.setattr(docs, "operations", counted)
    for told, hosts in ((None, ("one.example", "two.example")), ("https://out.example/ls/", ("one.example",))):
        (folder := tmp_path / str(told is None)).mkdir()
        async with an_api(folder, public_url=told) as api:
            for host in hosts:
                page = (await api.http.get("/api/docs", headers={"Host": host})).text
                assert f" {told or f'http://{host}/'}api/v1/machines" in page
                assert docs.HERE not in page
    assert made <= 2
