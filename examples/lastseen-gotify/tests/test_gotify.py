"""The whole suite of notifiers, and what is Gotify's own, against a small stand-in."""

from typing import Any

import httpx
import pytest
from lastseen_gotify import Gotify
from pydantic import ValidationError

from lastseen.testing import NotifierSuite
from lastseen.testing.far_end import Answer, FarEnd
from lastseen.testing.notifier_suite import SuiteTools, a_message, speak


def gotify(server: FarEnd, tools: Any, **options: Any) -> Gotify:
    return Gotify(Gotify.Config(url=server.url, token="AbCdEf.12345-x", **options), tools)


class TestGotify(NotifierSuite):
    def make(self, server: FarEnd, tools: Any) -> Gotify:
        return gotify(server, tools)

    def ok(self) -> Answer:
        return Answer.of_json({"id": 25, "appid": 5, "message": "…", "priority": 8, "date": "2018-02-27T19:36:10Z"})

    def failure(self, status: int, headers: dict[str, str] | None = None) -> Answer:
        answer = Answer.of_json({"error": "Unauthorized", "errorCode": status, "errorDescription": "…"}, status)
        return Answer(status, answer.body, {**answer.headers, **(headers or {})})


@pytest.mark.anyio
async def test_it_says_what_gotifys_api_wants_to_hear(anyio_backend: str) -> None:
    with FarEnd(Answer.of_json({"id": 1})) as server:
        async with httpx.AsyncClient(trust_env=False) as http:
            await speak(gotify(server, SuiteTools(http), priority=9), a_message("db-01"))
    (request,) = server.requests
    assert (request.method, request.path, request.headers["x-gotify-key"]) == ("POST", "/message", "AbCdEf.12345-x")
    assert (request.json["priority"], request.json["title"]) == (9, "🔴 db-01 offline since 03:00")


@pytest.mark.anyio
async def test_a_page_that_answers_200_is_no_gotify(anyio_backend: str) -> None:
    with FarEnd(Answer(200, b"<html>welcome")) as server:
        async with httpx.AsyncClient(trust_env=False) as http:
            assert "no answer of a Gotify" in repr(await speak(gotify(server, SuiteTools(http)), a_message()))


@pytest.mark.parametrize("wrong", [{"priority": 11}, {"url": "gotify"}, {"token": None}])
def test_a_config_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Gotify.Config(**{"url": "https://gotify.example", "token": "t", **wrong})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
