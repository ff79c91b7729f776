"""Every trick by which a request is led to an address that it must not reach, as a table. The far end is on loopback,
which the strict policy forbids; whether a trick works at all is asked of a client without a guard."""

from __future__ import annotations

import base64
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from lastseen.errors import ForbiddenAddress
from lastseen.model import Retry
from lastseen.notifiers import guard
from lastseen.notifiers.addresses import Policy
from lastseen.notifiers.guard import guarded_client
from lastseen.notifiers.outcome import http_outcome
from lastseen.testing.far_end import Answer, FarEnd

OPEN = Policy(allow_private=True)
METADATA = "169.254.169.254"

SPELLINGS = [
    "http://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://LocalHost:PORT/",
    "http://2130706433:PORT/",  # decimal
    "http://0x7f000001:PORT/",
    "http://0x7F.0.0.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://017700000001:PORT/",  # octal
    "http://127.1:PORT/",  # short
    "http://127.0.1:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[0:0:0:0:0:ffff:7f00:0001]:PORT/",
    "http://127\u30020\u30020\u30021:PORT/",  # full stops that IDNA takes for dots
    "http://127\uff0e0\uff0e0\uff0e1:PORT/",
    "http://127\uff610\uff610\uff611:PORT/",
    "http://public.example@127.0.0.1:PORT/",
    "http://public.example:80@127.0.0.1:PORT/",
    "http://a@b@127.0.0.1:PORT/",
    "http://public.example\\@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@public.example/",
    "http://127.0.0.1:PORT?@public.example/",
    "http://127.0.0.1:PORT/@public.example/",
]
"""These lead an unguarded client to loopback."""

REFUSED_BY_ALL = [
    ("http://127.0.0.1.:PORT/", httpx.UnsupportedProtocol),
    ("http://2130706433.:PORT/", httpx.UnsupportedProtocol),
    ("http://0177.0.0.1:PORT/", httpx.InvalidURL),
    ("http://127.000.000.001:PORT/", httpx.InvalidURL),
    ("http://\uff11\uff12\uff17.\uff10.\uff10.\uff11:PORT/", httpx.InvalidURL),
    ("http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:PORT/", httpx.InvalidURL),
    ("http://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54:PORT/", httpx.InvalidURL),
    ("http://loc%61lhost:PORT/", httpx.ConnectError),
    ("http://%31%32%37.0.0.1:PORT/", httpx.ConnectError),
    ("http://127.0.0.1%00.example:PORT/", httpx.ConnectError),
    ("http://127.0.0.1%20:PORT/", httpx.ConnectError),
    ("http://127.0.0.1\t:PORT/", httpx.InvalidURL),
    ("http://[::1].:PORT/", httpx.InvalidURL),
    ("http://[::1:PORT/", httpx.InvalidURL),
    ("http://127.0.0.1:PORT:80/", httpx.InvalidURL),
    ("http:127.0.0.1:PORT/", httpx.UnsupportedProtocol),
    ("http:///127.0.0.1:PORT/", httpx.UnsupportedProtocol),
    ("//127.0.0.1:PORT/", httpx.UnsupportedProtocol),
]
"""These lead nowhere, and say so in a way that notifiers know."""

SCOPED = [
    ("http://[fe80::1%25lo]/", "never allowed"),
    ("http://[fe80::1%lo]/", "never allowed"),
    ("http://[::1%25lo]/", guard.refusal(ipaddress.ip_address("::1"), Policy())),
    ("http://[::ffff:169.254.169.254%25lo]/", "never allowed"),
]
BRACKETS = [
    "http://[::169.254.169.254]/",
    "http://[::ffff:0:a9fe:a9fe]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1:a9fe:a9:fe00::]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2001:0:0:0:0:0:5601:5601]/",
    "http://[2a00:1450::5efe:a9fe:a9fe]/",
    "http://[fd00:ec2::254]/",
    "http://0xa9fea9fe/",
    "http://2852039166/",
    "http://0xa9.254.0251.254/",
    "http://169.254.43518/",
]
"""Metadata's address in other clothes."""


@pytest.fixture
def server() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


def at(url: str, server: FarEnd) -> str:
    return url.replace("PORT", str(httpx.URL(server.url).port))


@pytest.mark.parametrize("url", SPELLINGS)
async def test_no_spelling_leads_to_loopback_though_it_would_without_a_guard(server: FarEnd, url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as bare:
        assert (await bare.get(at(url, server))).status_code == 200
    assert len(server.requests) == 1, "the row tests nothing"
    async with guarded_client() as http:
        with pytest.raises(ForbiddenAddress):
            await http.get(at(url, server))
    assert len(server.requests) == 1


@pytest.mark.parametrize(("url", "error"), REFUSED_BY_ALL)
async def test_what_no_parser_should_take_is_refused_as_an_error_of_http(
    server: FarEnd, url: str, error: type[Exception]
) -> None:
    async with guarded_client(OPEN) as http:
        with pytest.raises(error):
            await http.get(at(url, server))
    assert server.requests == []


@pytest.mark.parametrize(("url", "words"), SCOPED)
async def test_a_scope_hides_no_address(url: str, words: str) -> None:
    async with guarded_client() as http:
        with pytest.raises(ForbiddenAddress, match=words):
            await http.get(url)


@pytest.mark.parametrize("url", BRACKETS)
async def test_metadata_in_other_clothes_is_refused_where_private_is_allowed(url: str) -> None:
    async with guarded_client(OPEN) as http:
        with pytest.raises(ForbiddenAddress, match="never allowed"):
            await http.get(url)


# -- names


Found = list[list[str]]


def answering(monkeypatch: pytest.MonkeyPatch, answers: Found) -> list[str]:
    """Names resolve to the first of these, then to the next, and to the last for ever. What was asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        addresses = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [(kind, socket.SOCK_STREAM, 6, "", (a, port)) for kind, a in zip(kinds, addresses, strict=True)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


async def test_a_name_that_answers_otherwise_the_second_time_is_connected_to_as_it_was_checked(
    server: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, [["127.0.0.1"], [METADATA]])
    server.otherwise = Answer(headers={"connection": "close"})
    async with guarded_client(OPEN) as http:
        assert (await http.get(at("http://rebinding.example:PORT/", server))).status_code == 200
        assert asked == ["rebinding.example"], "the look-up that was judged is the one that is used"
        http._transport.inner.client.connector.clear_dns_cache()  # type: ignore[attr-defined]
        with pytest.raises(ForbiddenAddress, match=METADATA):
            await http.get(at("http://rebinding.example:PORT/", server))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "addresses",
    [
        [METADATA, "127.0.0.1"],
        ["127.0.0.1", METADATA],
        ["127.0.0.1", METADATA, "127.0.0.1"],
        ["127.0.0.1", "::ffff:169.254.169.254"],
        ["64:ff9b::a9fe:a9fe", "127.0.0.1"],
        ["127.0.0.1", "fe80::1%lo"],
        ["127.0.0.1", "not an address"],
    ],
    ids=" ".join,
)
async def test_a_name_with_one_forbidden_address_is_refused_whole(
    server: FarEnd, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    answering(monkeypatch, [addresses])
    async with guarded_client(OPEN) as http:
        with pytest.raises(ForbiddenAddress, match=r"many\.example"):
            await http.get(at("http://many.example:PORT/", server))
    assert server.requests == []


async def test_an_address_that_got_past_the_resolver_is_stopped_at_its_socket(
    server: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "GuardedResolver", lambda policy: aiohttp.ThreadedResolver())
    async with guarded_client() as http:
        with pytest.raises(ForbiddenAddress, match="loopback"):
            await http.get(at("http://localhost:PORT/", server))
    assert server.requests == []


async def test_a_literal_that_nobody_judged_is_stopped_at_its_socket(
    server: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_judge_literal", lambda host, policy: None)
    async with guarded_client() as http:
        with pytest.raises(ForbiddenAddress, match="loopback"):
            await http.get(server.url)
    assert server.requests == []


# -- led elsewhere by the answer, or by the environment


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_redirect_is_an_answer_like_another(server: FarEnd, status: int, method: str) -> None:
    server.script(Answer(status, headers={"location": f"{server.url}/inner", "refresh": f"0; url={server.url}/inner"}))
    async with guarded_client(OPEN) as http:
        answer = await http.request(method, server.url)
    assert [request.path for request in server.requests] == ["/"]
    assert isinstance(http_outcome(answer), Retry)


PROXIES = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]


@pytest.mark.parametrize("name", PROXIES)
async def test_no_proxy_of_the_environment_sees_a_request(
    server: FarEnd, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for other in (*PROXIES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    with FarEnd() as proxy:
        monkeypatch.setenv(name, proxy.url)
        async with httpx.AsyncClient() as bare:
            await bare.get(server.url)
        assert len(proxy.requests) == 1, "the row tests nothing"
        async with guarded_client(OPEN) as http:
            await http.get(server.url)
        assert (len(proxy.requests), len(server.requests)) == (1, 1)


async def test_no_password_of_the_environment_is_sent(
    server: FarEnd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with guarded_client(OPEN) as http:
        await http.get(server.url)
    assert "authorization" not in server.requests[0].headers


async def test_a_name_and_password_in_an_address_are_sent_as_http_says(server: FarEnd) -> None:
    url = httpx.URL(server.url).copy_with(username="me", password="p@ss")
    async with guarded_client(OPEN) as http:
        assert (await http.post(url, content=b"hello")).status_code == 200
    (request,) = server.requests
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert (request.headers["host"], request.body) == (server.url.removeprefix("http://"), b"hello")
