"""The HTTP client that every notifier is handed: it cannot be led to addresses that are not allowed.

A name is resolved once, by the connector itself; if any of its addresses is refused nothing is connected to, otherwise
exactly these addresses are, under the name's own `Host` and certificate. So there is no moment between the check and
its use, and whatever spelling of an address the resolver understands is judged by what it resolves to. Whatever way an
address took, it is judged once more when the socket for it is made. Connections are kept for the same name and port
only. No redirects, no proxies, no cookies, nothing from the environment. The rule itself is in `docs/webhooks.md`.

aiohttp does the transport under httpx's API: see `benchmarks/` for what a shared httpx pool costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream, map_aiohttp_exceptions

from lastseen.errors import ForbiddenAddress
from lastseen.notifiers.addresses import Address, Policy, literal, refusal

__all__ = ["Policy", "barred", "guarded_client", "lent", "post"]

TIMEOUT = 15.0
"""Seconds for a whole request, from resolving the name to the last byte of the answer that is wanted."""

BODY_TIMEOUT = 2.0
"""Seconds that the answer's body may take once its status is known: the status is what counts."""

KEPT = 4096
"""Bytes of the answer's body that are read."""

HEADERS = {"user-agent": "lastseen", "accept": "*/*", "accept-encoding": "identity"}
"""Of every request."""

_OF_THE_BODY = ("content-encoding", "content-length")
"""Headers of an answer that do not fit what is kept of it: an encoding was never asked for, and 4 KiB could unfold to
megabytes."""

_OURS = aiohttp.ClientTimeout()
"""None of aiohttp's own: the time-out is over all of it."""

IN_FLIGHT = 64
"""Connections to one far end. There is no limit over all: one that does not answer must not take the others' share."""

LOCALHOST = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))
"""What this name stands for everywhere (RFC 6761, 6.3)."""

NAME_KEPT = 10
"""Seconds for which what a name resolved to is used again, after it was judged."""


def guarded_client(
    policy: Policy = Policy(),  # noqa: B008  (frozen)
    *,
    timeout: float = TIMEOUT,
    inner: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """A client to be shared by all notifiers under one policy, and closed by whoever asked for it.

    Raises httpx's exceptions, and ForbiddenAddress. `inner` takes the place of the network in tests; then names are
    not resolved, and only addresses written as such are judged.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(policy, timeout, inner),
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers=HEADERS,
    )


def lent(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same connections under a client of its own: a plugin that closes it closes it for itself alone."""
    return httpx.AsyncClient(
        transport=_Lent(client._transport),
        timeout=client.timeout,
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers=client.headers,
    )


class _Lent(httpx.AsyncBaseTransport):
    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.whose = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.whose.handle_async_request(request)


async def post(
    client: httpx.AsyncClient, url: httpx.URL, content: bytes, headers: Mapping[str, str]
) -> httpx.Response | None:
    """As `client.post`, guarded and over the same connections; None: it was taken (2xx), and what it said is dropped.

    Where the client is one of ours this goes around what httpx prepares for requests of every kind, and turns a
    success into: two thirds of what a send costs beside the connection itself.
    """
    transport = client._transport
    if isinstance(transport, _Lent):
        transport = transport.whose
    if isinstance(transport, GuardedTransport) and isinstance(transport.inner, AiohttpTransport):
        return await transport.post(transport.inner, url, content, headers)
    response = await client.post(url, content=content, headers=dict(headers))
    return None if response.is_success else response


def barred(client: httpx.AsyncClient, host: str) -> str | None:
    """Why this client gets to no host that is written so, without resolving anything; None: it may, or only the
    addresses of the name tell."""
    transport = client._transport
    if isinstance(transport, _Lent):
        transport = transport.whose
    return transport.barred(host) if isinstance(transport, GuardedTransport) else None


class GuardedTransport(httpx.AsyncBaseTransport):
    """Judges, sends, and keeps the beginning of the answer; all within the time-out."""

    def __init__(self, policy: Policy, timeout: float, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._policy, self._timeout = policy, timeout
        self.inner = inner or AiohttpTransport(trust_env=False, client=self._session)
        self._ssl = getattr(self.inner, "ssl_context", None)

    def barred(self, host: str) -> str | None:
        name = host.rstrip(".").lower()
        address = literal(host)
        known: tuple[Address, ...] = () if address is None else (address,)
        if name == "localhost" or name.endswith(".localhost"):
            known = LOCALHOST
        reasons = [refusal(one, self._policy) for one in known]
        return reasons[0] if reasons and None not in reasons else None

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(self._policy),
            socket_factory=self._socket,
            ssl=self._ssl or True,
            limit=0,
            limit_per_host=IN_FLIGHT,
            ttl_dns_cache=NAME_KEPT,
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
        )

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The last moment: nothing is connected to that was not judged, or that would be resolved once more."""
        family, kind, proto, _, sockaddr = info
        _judge_found(str(sockaddr[0]), str(sockaddr[0]), self._policy)
        return socket.socket(family, kind, proto)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _judge_literal(request.url.host, self._policy)
        async with self._in_time(lambda: request):
            response = await self.inner.handle_async_request(_without_userinfo(request))
            body = await _beginning(response.stream)
        for name in _OF_THE_BODY:
            response.headers.pop(name, None)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            content=body,
            request=request,
            extensions=response.extensions,
        )

    async def post(
        self, inner: AiohttpTransport, url: httpx.URL, content: bytes, headers: Mapping[str, str]
    ) -> httpx.Response | None:
        """What the module's `post` does, for an address without a name and password."""
        _judge_literal(url.host, self._policy)
        given = {**HEADERS, **headers}
        inner.client = session = inner.get_client()
        async with self._in_time(lambda: httpx.Request("POST", url, content=content, headers=given)):
            with map_aiohttp_exceptions():
                answer = await session.post(str(url), data=content, headers=given, allow_redirects=False, timeout=_OURS)
            body = _whole(answer) if answer.content.is_eof() else await _beginning(AiohttpResponseStream(answer))
        if 200 <= answer.status < 300:
            return None
        said = httpx.Headers(list(answer.raw_headers))
        for name in _OF_THE_BODY:
            said.pop(name, None)
        request = httpx.Request("POST", url, content=content, headers=given)
        return httpx.Response(answer.status, headers=said, content=body, request=request)

    @contextlib.asynccontextmanager
    async def _in_time(self, request: Callable[[], httpx.Request]) -> AsyncIterator[None]:
        """Within the time-out; what goes wrong is one of httpx's exceptions."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError:
            raise httpx.ReadTimeout(f"no answer within {self._timeout:g} s", request=request()) from None
        except httpx.TransportError as error:
            raise _renamed(error, request()) from error
        except aiohttp.ClientError as error:  # what httpx-aiohttp does not know, such as an answer that is no HTTP
            raise httpx.RemoteProtocolError(type(error).__name__, request=request()) from error

    async def aclose(self) -> None:
        await self.inner.aclose()


class GuardedResolver(AbstractResolver):
    """Resolves as the system does, and refuses a name of which any address is refused."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
        except UnicodeError:
            raise OSError(None, "not a name that can be resolved") from None
        for *_, sockaddr in found:
            _judge_found(host, str(sockaddr[0]), self._policy)
        return [
            ResolveResult(
                hostname=host,
                host=str(sockaddr[0]),
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, sockaddr in found
        ]

    async def close(self) -> None:
        """There is nothing to close."""


@lru_cache(maxsize=4096)
def _judge_literal(host: str, policy: Policy) -> None:
    """An address written as such does not go through the resolver. One that may be reached is judged once only."""
    host = host.strip("[]")
    with contextlib.suppress(ValueError):
        _judge(host, ipaddress.ip_address(host), policy)
        return
    try:
        address = ipaddress.IPv4Address(socket.inet_aton(host))  # decimal, octal, hexadecimal and short spellings too
    except (OSError, ValueError):
        return
    _judge(host, address, policy)
    raise ForbiddenAddress(f"{host}: write it as {address}")


def _judge_found(host: str, address: str, policy: Policy) -> None:
    """What a resolver found for a name."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise ForbiddenAddress(f"{host}: {address!r} is no address") from None
    _judge(host, found, policy)


def _judge(host: str, address: Address, policy: Policy) -> None:
    reason = refusal(address, policy)
    if reason is not None:
        subject = host if host == str(address) else f"{host} resolves to {address}"
        raise ForbiddenAddress(f"{subject}: {reason}")


def _without_userinfo(request: httpx.Request) -> httpx.Request:
    """A name and password of the address have become a header by now; aiohttp would want to make another of them."""
    if not request.url.userinfo:
        return request
    bare = request.url.copy_with(userinfo=b"")
    return httpx.Request(
        request.method, bare, headers=request.headers, stream=request.stream, extensions=request.extensions
    )


def _whole(answer: aiohttp.ClientResponse) -> bytes:
    """The first 4 KiB of a body that is here already, as it is with nearly every answer: nothing is waited for."""
    try:
        return answer.content.read_nowait(KEPT)
    except Exception:  # noqa: BLE001  (it was cut off: its status is what counts)
        return b""
    finally:
        answer.release()


async def _beginning(stream: Any) -> bytes:
    """The first 4 KiB of the body, or what of them comes in time. What is not read to its end is not used again."""
    kept = bytearray()
    try:
        with contextlib.suppress(TimeoutError, httpx.TransportError):
            async with asyncio.timeout(BODY_TIMEOUT):
                async for chunk in stream:
                    kept += chunk
                    if len(kept) >= KEPT:
                        break
    finally:
        await stream.aclose()
    return bytes(kept[:KEPT])


def _renamed(error: httpx.TransportError, request: httpx.Request) -> httpx.TransportError:
    """httpx-aiohttp calls every lost connection a time-out while connecting."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorError):
        return httpx.ConnectError(str(error), request=request)
    if isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | aiohttp.ClientPayloadError):
        return httpx.ReadError(str(error), request=request)
    error.request = request
    return error
