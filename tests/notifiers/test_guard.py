"""What goes out cannot be led astray: addresses, redirects, slow and endless answers."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lastseen.errors import ForbiddenAddress
from lastseen.notifiers.addresses import Policy, refusal
from lastseen.notifiers.guard import KEPT, barred, guarded_client, lent
from lastseen.notifiers.outcome import from_exception
from lastseen.testing.far_end import Answer, FarEnd
from tests.standins.tls import issue

OPEN = Policy(allow_private=True)

NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "203.0.113.9",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "ff02::1",
    "2001:db8::1",
    "::ffff:169.254.169.254",
    "::ffff:0:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",  # local NAT64 with a prefix of 48, 56 and 64 bits
    "64:ff9b:1:a9:fe:a9fe::",
    "64:ff9b:1:0:a9:fea9:fe00::",
    "2001:2::1",
    "2001:20::1",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo: the client's address is inverted
    "2001:0:a9fe:a9fe::1",
    "2606:4700::5efe:169.254.169.254",
    "2606:4700::200:5efe:169.254.169.254",
]
PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "64:ff9b:1::808:808",
    "64:ff9b:1:fffe::808:808",
    "64:ff9b:1:808:8:800::",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450::1", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", NEVER)
def test_these_addresses_are_refused_whatever_is_allowed(address: str) -> None:
    everything = Policy(True, (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
    assert "never allowed" in (refusal(ipaddress.ip_address(address), everything) or "")


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_unless_they_are_allowed(address: str) -> None:
    assert "LASTSEEN_WEBHOOK_ALLOW_NETWORKS" in (refusal(ipaddress.ip_address(address), Policy()) or "")
    assert refusal(ipaddress.ip_address(address), OPEN) is None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert refusal(ipaddress.ip_address(address), Policy()) is None


def test_a_listed_network_allows_its_own_addresses_only() -> None:
    listed = Policy(networks=(ipaddress.ip_network("192.168.1.0/24"), ipaddress.ip_network("fd12::/16")))
    assert refusal(ipaddress.ip_address("192.168.1.7"), listed) is None
    assert refusal(ipaddress.ip_address("::ffff:192.168.1.7"), listed) is None
    assert refusal(ipaddress.ip_address("fd12::7"), listed) is None
    assert refusal(ipaddress.ip_address("192.168.2.7"), listed) is not None
    assert refusal(ipaddress.ip_address("127.0.0.1"), listed) is not None


# -- at connect time


@pytest.fixture
def server() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "017700000001", "127.1", "[::1]", "[::ffff:127.0.0.1]"],
)
async def test_no_spelling_of_loopback_gets_through(server: FarEnd, host: str) -> None:
    async with guarded_client() as http:
        with pytest.raises(ForbiddenAddress, match="LASTSEEN_WEBHOOK_ALLOW_NETWORKS"):
            await http.get(f"http://{host}:{httpx.URL(server.url).port}/")
    assert server.requests == []


LOCAL = ["127.0.0.1", "127.9.9.9", "localhost", "LocalHost.", "x.localhost", "2130706433", "127.1", "::1", "[::1]"]


@pytest.mark.parametrize("host", [*LOCAL, "10.0.0.7", "::ffff:192.168.1.7"])
async def test_what_is_never_reached_is_known_by_its_spelling(host: str) -> None:
    async with guarded_client() as http, guarded_client(OPEN) as free, httpx.AsyncClient() as plain:
        assert "LASTSEEN_WEBHOOK_ALLOW_NETWORKS" in (barred(http, host) or "")
        assert barred(lent(http), host) == barred(http, host)
        assert barred(free, host) is barred(plain, host) is None


async def test_names_and_what_is_allowed_are_not_refused_by_their_spelling() -> None:
    allowed = guarded_client(Policy(networks=(ipaddress.ip_network("127.0.0.0/8"),)))
    other = guarded_client(Policy(networks=(ipaddress.ip_network("::1/128"),)))
    async with guarded_client() as http, allowed, other:
        for host in ("hooks.example", "localhost.example", "nas.local", "93.184.215.14"):
            assert barred(http, host) is None, host
        assert barred(allowed, "127.0.0.1") is barred(allowed, "localhost") is None
        assert barred(allowed, "::1") is not None
        assert barred(other, "localhost") is None, "it gets there by one of two addresses"


@pytest.mark.parametrize("host", ["169.254.169.254", "0xa9fea9fe", "[::ffff:169.254.169.254]", "0"])
async def test_metadata_and_unspecified_are_refused_even_where_private_is_allowed(host: str) -> None:
    async with guarded_client(OPEN) as http:
        with pytest.raises(ForbiddenAddress, match="never allowed"):
            await http.get(f"http://{host}/")


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Every name resolves to these from now on."""
    asked = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [(kind, socket.SOCK_STREAM, 6, "", (a, port)) for kind, a in zip(kinds, addresses, strict=True)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


async def test_a_name_is_refused_if_any_of_its_addresses_is(monkeypatch: pytest.MonkeyPatch, server: FarEnd) -> None:
    resolving(monkeypatch, "127.0.0.1", "169.254.169.254")
    async with guarded_client(OPEN) as http:
        with pytest.raises(ForbiddenAddress, match=r"two-faced\.example resolves to 169\.254\.169\.254"):
            await http.get(f"http://two-faced.example:{httpx.URL(server.url).port}/")
    assert server.requests == []


async def test_a_name_is_resolved_once_and_named_as_host(monkeypatch: pytest.MonkeyPatch, server: FarEnd) -> None:
    asked = resolving(monkeypatch, "127.0.0.1")
    port = httpx.URL(server.url).port
    async with guarded_client(OPEN) as http:
        assert (await http.get(f"http://pager.example:{port}/")).status_code == 200
    assert asked == ["pager.example"]
    assert server.requests[0].headers["host"] == f"pager.example:{port}"


async def test_redirects_are_not_followed(server: FarEnd) -> None:
    server.script(Answer(302, headers={"location": f"{server.url}/other"}))
    async with guarded_client(OPEN) as http:
        assert (await http.get(server.url)).status_code == 302
    assert len(server.requests) == 1


async def test_the_environment_names_no_proxy(server: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with guarded_client(OPEN) as http:
        assert (await http.get(server.url)).status_code == 200


async def test_cookies_are_not_kept(server: FarEnd) -> None:
    server.script(Answer(headers={"set-cookie": "a=b"}))
    async with guarded_client(OPEN) as http:
        await http.get(server.url)
        await http.get(server.url)
    assert "cookie" not in server.requests[1].headers


async def test_only_the_beginning_of_an_answer_is_kept(server: FarEnd) -> None:
    server.script(Answer(body=b"x" * 5_000_000))
    async with guarded_client(OPEN) as http:
        assert (await http.get(server.url)).content == b"x" * KEPT


async def test_a_compressed_answer_is_not_unfolded(server: FarEnd) -> None:
    server.script(Answer(500, body=b"\x1f\x8bnonsense", headers={"content-encoding": "gzip"}))
    async with guarded_client(OPEN) as http:
        assert (await http.get(server.url)).status_code == 500


async def test_the_time_out_is_for_the_whole_request(server: FarEnd) -> None:
    server.script(Answer(hang=True))
    async with guarded_client(OPEN, timeout=1) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(server.url)


async def test_a_dripping_body_does_not_hold_up_a_known_status(server: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastseen.notifiers.guard.BODY_TIMEOUT", 0.1)
    server.script(Answer(body=b"x" * 4000, drip=0.03))
    with anyio.fail_after(30):  # the body alone would take two minutes
        async with guarded_client(OPEN) as http:
            assert (await http.get(server.url)).status_code == 200


async def test_a_reset_and_a_refused_connection_have_their_own_errors(server: FarEnd) -> None:
    server.script(Answer(reset=True))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    async with guarded_client(OPEN) as http:
        with pytest.raises(httpx.ReadError):
            await http.post(server.url)
        with pytest.raises(httpx.ConnectError):
            await http.get(f"http://127.0.0.1:{closed}/")


@pytest.mark.parametrize(
    "said", [b"SMTP ready\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 99_999, b""]
)
async def test_what_speaks_no_http_is_lost_connection_to_the_caller(said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server, guarded_client(OPEN) as http:
        with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)) as caught:
            await http.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert from_exception(caught.value).reason == "127.0.0.1 broke the connection"


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..example", "no-such-host.invalid"])
async def test_a_name_that_cannot_be_resolved_is_a_failed_connection(host: str) -> None:
    async with guarded_client(OPEN) as http:
        with pytest.raises((httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL)):
            await http.get(f"http://{host}/")


async def test_sixty_four_at_once_share_the_client(server: FarEnd) -> None:
    async with guarded_client(OPEN) as http:
        answers = await asyncio.gather(*[http.post(server.url, content=b"x") for _ in range(64)])
    assert {answer.status_code for answer in answers} == {200}


# -- TLS


async def test_tls_asks_for_the_name_and_checks_its_certificate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context, asked = issue(tmp_path / "pager.pem", "pager.example").context, []
    context.sni_callback = lambda _, name, __: asked.append(name)

    async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(nothing, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    resolving(monkeypatch, "127.0.0.1")
    async with server, guarded_client(OPEN) as http:
        with pytest.raises(httpx.ConnectError) as caught:
            await http.get(f"https://pager.example:{port}/")
    assert asked == ["pager.example"]
    assert "cannot connect to pager.example: TLS failed, self" in from_exception(caught.value).reason
