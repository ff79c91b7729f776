"""A server that is asked by its API: requests, which of them are made again, and pages."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar
from urllib.parse import quote, urlsplit

import anyio
import httpx
import msgspec

from lastseen.client.answers import error_of, value_of
from lastseen.errors import ConfigurationError, InvalidInput, NotFound, Unreachable

T = TypeVar("T")

PREFIX = "/api/v1"
TIMEOUT = 60.0
"""Seconds for one try in all: connecting, sending and the answer, however slowly it drips."""

PAUSES = (0.2, 1.0)
"""Seconds before what changes nothing is asked once more, each time."""

LONGEST_PAUSE = 5.0

SILENT = 45.0
"""Seconds for which nothing comes where something comes every 15 s: nobody is there any more."""

PAGE = 500


class Page(TypedDict):
    items: list[dict[str, Any]]
    next: str | None


class Remote:
    """A server by its address, asked with a key (`lsa_…`). `verify`: whose certificates are believed, by default
    certifi's. What only reads is tried again where the connection failed or the answer is 503; what changes something
    only where there was no connection. No redirect is followed: the key would go along. `warn`: takes what is wrong
    beside what was asked for. `timezone`: the name of the zone that times and days are meant in, by default the
    server's."""

    def __init__(
        self,
        server: str,
        key: str,
        *,
        verify: ssl.SSLContext | bool = True,
        timeout: float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
        warn: Callable[[str], None] = lambda text: None,
        timezone: str | None = None,
    ) -> None:
        self.warn, self.timezone = warn, timezone
        self.url = _base(server)
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise ConfigurationError("the key for the API is none: it has no spaces, and no letters beyond ASCII")
        self._timeout = timeout
        self._http = httpx.AsyncClient(
            base_url=self.url + PREFIX,
            headers={"Authorization": f"Bearer {key}", "User-Agent": "lastseen", "Accept": "application/json"},
            verify=verify,
            timeout=timeout,
            follow_redirects=False,
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"Remote({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, shape: type[T], *path: str, **params: Any) -> T:
        """What is there. `path`: its parts, each as it is. Raises what `answers.error_of` makes of a refusal, and
        Unreachable."""
        return await self._ask("GET", shape, path, params=params)

    async def post(self, shape: type[T], *path: str, body: Mapping[str, Any] | None = None) -> T:
        return await self._ask("POST", shape, path, body)

    async def patch(self, shape: type[T], *path: str, body: Mapping[str, Any]) -> T:
        return await self._ask("PATCH", shape, path, body)

    async def put(self, shape: type[T], *path: str, body: Mapping[str, Any]) -> T:
        return await self._ask("PUT", shape, path, body)

    async def delete(self, shape: type[T], *path: str) -> T:
        return await self._ask("DELETE", shape, path)

    async def pages(self, shape: type[T], *path: str, limit: int | None = None, **params: Any) -> AsyncIterator[T]:
        """Each of a list, up to `limit`; a page is asked for when it is come to."""
        left, cursor = limit, None
        while left is None or left > 0:
            at_once = PAGE if left is None else min(PAGE, left)
            page = await self.get(Page, *path, limit=at_once, cursor=cursor, **params)
            for one in value_of(page["items"], list[shape], self.url):  # type: ignore[valid-type]  # it is a type
                yield one
            cursor, left = page["next"], None if left is None else left - len(page["items"])
            if cursor is None:
                return

    async def all(self, shape: type[T], *path: str) -> list[T]:
        """Of a list that is never long, which has no pages."""
        page = await self.get(Page, *path)
        found: list[T] = value_of(page["items"], list[shape], self.url)  # type: ignore[valid-type]  # it is a type
        return found

    async def opened(self, *path: str, position: str = "") -> httpx.Response:
        """An answer that does not end, which whoever asks reads and closes: after this position. Asked once. Raises
        what `get` does."""
        request = self._request(
            "GET",
            path,
            headers={"Accept": "text/event-stream", **({"Last-Event-ID": position} if position else {})},
            timeout=httpx.Timeout(self._timeout, read=SILENT),
        )
        response = await self._once(request, stream=True)
        if response.is_success:
            return response
        try:
            await response.aread()
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.url} did not answer: {_reason(error)}") from error
        finally:
            await response.aclose()
        raise error_of(response, self.url)

    async def _ask(
        self,
        method: str,
        shape: type[T],
        path: tuple[str, ...],
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> T:
        request = self._request(
            method,
            path,
            body,
            params={name: value for name, value in (params or {}).items() if value is not None},
            headers={} if body is None else {"Content-Type": "application/json"},
        )
        response = await self._answer(request)
        if not response.is_success:
            raise error_of(response, self.url)
        try:
            value = msgspec.json.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable(f"{self.url}: what answers there is no lastseen server") from None
        return value_of(value, shape, self.url)

    def _request(
        self, method: str, path: tuple[str, ...], body: Mapping[str, Any] | None = None, **more: Any
    ) -> httpx.Request:
        """Raises InvalidInput for what cannot be sent: what makes an address too long, or is no Unicode."""
        try:
            content = None if body is None else msgspec.json.encode(body)
            return self._http.build_request(method, _path(path), content=content, **more)
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise InvalidInput(f"cannot be asked for: {_reason(error)}") from None

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """Of the last try. Raises Unreachable."""
        reads = request.method == "GET"
        for pause in PAUSES:
            try:
                response = await self._once(request)
            except Unreachable as error:
                if not isinstance(error.__cause__, httpx.NetworkError if reads else httpx.ConnectError):
                    raise
            else:
                if not (reads and response.status_code == 503):
                    return response
                pause = max(pause, _retry_after(response))
            await anyio.sleep(pause)
        return await self._once(request)

    async def _once(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        doubt = "" if request.method == "GET" else "; what was asked may have been done all the same"
        try:
            with anyio.fail_after(self._timeout):
                return await self._http.send(request, stream=stream)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"{self.url} cannot be reached: {_reason(error)}") from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Unreachable(f"{self.url} did not answer within {self._timeout:g} s{doubt}") from error
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise Unreachable(f"{self.url} did not answer: {_reason(error)}{doubt}") from error


def _base(server: str) -> str:
    """Its address without a slash at its end. Raises InvalidInput, without saying what was before an @."""
    try:
        urlsplit(server)  # finds brackets that do not close, which httpx lets through
        url = httpx.URL(server.strip())
    except (httpx.InvalidURL, ValueError):
        raise InvalidInput("is no address: http://… or https://…", "server") from None
    if url.userinfo:
        raise InvalidInput("holds a user name or a password: the key goes into a file of its own", "server")
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidInput(f"must begin with http:// or https://, not {server!r}", "server")
    path = url.path.rstrip("/").removesuffix(PREFIX)
    return str(url.copy_with(path=path, query=None, fragment=None)).rstrip("/")


def _path(parts: Iterable[str]) -> str:
    return "/" + "/".join(map(_part, parts))


def _part(text: str) -> str:
    """Of a path. Raises NotFound for what no name can be and a path would be understood by otherwise."""
    if text in ("", ".", ".."):
        raise NotFound(f"nothing is called {text!r}")
    return quote(text, safe="")


def _retry_after(response: httpx.Response) -> float:
    said = response.headers.get("retry-after", "")
    return min(float(said), LONGEST_PAUSE) if re.fullmatch(r"\d{1,5}", said) else 0.0


def _reason(error: Exception) -> str:
    return re.sub(r"[^\x20-\x7e]+", " ", str(error)).strip()[:200] or type(error).__name__
