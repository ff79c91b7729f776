"""The short way of a webhook through the guard ends as the long way through httpx does, whatever the far end does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest

from lastseen.errors import ForbiddenAddress
from lastseen.notifiers import guard
from lastseen.notifiers.addresses import Policy
from lastseen.notifiers.guard import guarded_client, lent, post
from lastseen.notifiers.outcome import from_exception, http_outcome
from lastseen.testing.far_end import Answer, FarEnd

OPEN = Policy(allow_private=True)
BODY, HEADERS = b'{"a": 1}', {"content-type": "application/json", "webhook-id": "n-1"}
Way = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response | None]]


async def long(http: httpx.AsyncClient, url: str) -> httpx.Response | None:
    response = await http.post(url, content=BODY, headers=HEADERS)
    return None if response.is_success else response


async def short(http: httpx.AsyncClient, url: str) -> httpx.Response | None:
    return await post(http, httpx.URL(url), BODY, HEADERS)


@pytest.fixture
def server() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


async def end_of(way: Way, http: httpx.AsyncClient, url: str) -> str:
    """What a caller sees of it."""
    try:
        response = await way(http, url)
    except (httpx.HTTPError, httpx.InvalidURL, ForbiddenAddress) as error:
        return f"{type(error).__name__} {from_exception(error)}"
    if response is None:
        return "taken"
    said = {name: value for name, value in response.headers.items() if name != "date"}
    return f"{response.status_code} {said} {response.content!r} {http_outcome(response)}"


ANSWERS = {
    "200": Answer(),
    "204": Answer(204, b""),
    "302": Answer(302, headers={"location": "http://127.0.0.1:9/other"}),
    "410": Answer(410, b"gone"),
    "429": Answer(429, b"slowly", headers={"retry-after": "7"}),
    "500 packed": Answer(500, b"\x1f\x8bnonsense", headers={"content-encoding": "gzip"}),
    "endless": Answer(503, b"x" * 5_000_000),
    "a big welcome": Answer(200, b"x" * 5_000_000),
    "it quotes us": Answer(400, BODY),
    "reset": Answer(reset=True),
    "hangs": Answer(hang=True),
    "drips": Answer(200, b"x" * 4000, drip=0.05),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_both_ways_end_alike(server: FarEnd, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    if answer.drip:
        monkeypatch.setattr(guard, "BODY_TIMEOUT", 0.1)
    server.script(answer, answer)
    ends = []
    for way in (long, short):
        async with guarded_client(OPEN, timeout=2 if answer.hang else 60) as http:
            ends.append(await end_of(way, lent(http), server.url))
    assert ends[0] == ends[1]
    assert ("taken" in ends[0]) == (answer.status in (200, 204) and not answer.reset and not answer.hang)
    first, second = (dict(request.headers) for request in server.requests)
    assert second == {name: value for name, value in first.items() if name != "connection"}  # keep-alive: the default
    assert [request.body for request in server.requests] == [BODY, BODY]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "[::1]", "169.254.169.254", "no-such-host.invalid"],
)
async def test_both_ways_refuse_the_same_addresses(server: FarEnd, host: str) -> None:
    url = f"http://{host}:{httpx.URL(server.url).port}/"
    async with guarded_client() as http:
        assert await end_of(long, http, url) == await end_of(short, http, url) != "taken"
    assert server.requests == []
    async with guarded_client(OPEN) as http:
        assert await end_of(long, http, url) == await end_of(short, http, url)


async def test_the_short_way_uses_a_connection_again(server: FarEnd) -> None:
    async with guarded_client(OPEN) as http:
        for _ in range(5):
            assert await short(lent(http), server.url) is None
        connector = http._transport.inner.client.connector  # type: ignore[attr-defined]
        assert len(connector._conns) == 1
        assert sum(len(kept) for kept in connector._conns.values()) == 1
    assert len(server.requests) == 5


async def test_a_client_of_somebody_elses_is_used_as_it_is() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(204 if len(asked) == 1 else 500)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        assert await short(http, "http://pager.example/") is None
        refused = await short(http, "http://pager.example/")
    assert refused is not None
    assert (refused.status_code, asked[0].content, asked[0].headers["webhook-id"]) == (500, BODY, "n-1")
