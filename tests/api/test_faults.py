"""What is wrong with a request is named, each field of it, in words for people."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api

NO_FIELD = "there is no such field"
SPAN = "must be a duration: seconds, or a text such as 90s, 2m or 1h30m"


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"slug": "m", "foo": 1}, {"foo": NO_FIELD}),
        ({"foo": 1}, {"slug": "is required", "foo": NO_FIELD}),
        ({"slug": "m", "every": -1}, {"every": SPAN}),
        ({"slug": "m", "every": True, "grace": []}, {"every": SPAN, "grace": SPAN}),
        ({"slug": ""}, {"slug": "must have at least 1 character"}),
        ({"slug": "m", "name": "x" * 201}, {"name": "must have at most 200 characters"}),
        ({"slug": "m", "tags": ["x"] * 101}, {"tags": "must have at most 100 entries"}),
        ({"slug": "m", "tags": "a"}, {"tags": "must be a list"}),
        ({"slug": "m", "name": 7, "shared": "yes"}, {"name": "must be a text", "shared": "must be true or false"}),
        ({"slug": "m", "name": "a\0"}, {"name": "must not hold the character NUL"}),
    ],
    ids=str,
)
async def test_what_does_not_fit_is_said_as_people_say_it(api: Api, said: Any, wrong: dict[str, str]) -> None:
    problem = await api.refused("POST", "/machines", 422, json=said)
    assert {one["field"]: one["detail"] for one in problem["errors"]} == wrong
    field, detail = next(iter(wrong.items()))
    assert problem["detail"] == f"{field}: {detail}"


@pytest.mark.parametrize(
    ("method", "path", "more", "wrong"),
    [
        ("POST", "/machines", {"json": []}, {"": "the body must be an object"}),
        ("POST", "/machines", {}, {"": "the body is required"}),
        ("POST", "/channels", {"json": {"type": "webhook", "name": "x", "config": 1}}, {"config": "must be an object"}),
        ("GET", "/machines?limit=0", {}, {"limit": "must be at least 1"}),
        ("GET", "/machines?limit=x", {}, {"limit": "must be a whole number"}),
        ("GET", "/machines?order=up", {}, {"order": "must be asc or desc"}),
        ("GET", "/machines?enabled=x&colour=red", {}, {"enabled": "must be true or false", "colour": NO_FIELD}),
        (
            "POST",
            "/silences",
            {"json": {"name": "s", "starts_at": "2026-06-01T22:00"}},
            {"starts_at": "must be a time such as 2025-10-10T16:30:00Z"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_it_is_so_of_every_request(
    api: Api, method: str, path: str, more: dict[str, Any], wrong: dict[str, str]
) -> None:
    problem = await api.refused(method, path, 422, **more)
    assert {one["field"]: one["detail"] for one in problem["errors"]} == wrong


async def test_a_field_that_is_no_text_is_refused(api: Api) -> None:
    as_json = {"Content-Type": "application/json"}
    problem = await api.refused("POST", "/machines", 422, content=b'{"slug": "m", "\\ud800{x}": 1}', headers=as_json)
    assert problem["detail"] == "the body must be Unicode, without halves of characters"
    assert (await api.refused("GET", "/machines?%FF{x}=1", 422))["errors"] == [
        {"field": "\ufffd{x}", "detail": NO_FIELD}
    ]
