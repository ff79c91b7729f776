"""One call to the server, and what its answer means. Whatever comes back, an Answer comes out."""

from __future__ import annotations

import re
import ssl
from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import anyio
import httpx
import msgspec

from lastseen.agent.pace import Answer, Kind
from lastseen.errors import ConfigurationError, InvalidInput

PATH = "/api/v1/heartbeat"
TIMEOUT = 15.0
"""Seconds for one try in all: connecting, sending and the answer, however slowly it drips."""

DETAIL_BYTES = 4096
"""So much of an error's body is read to tell a person why; the rest is never fetched."""


def endpoint(server: str) -> str:
    """The address to post to; InvalidInput when `server` is no http or https address."""
    try:
        urlsplit(server)  # finds brackets that do not close, which httpx lets through
        url = httpx.URL(server.strip())
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidInput(f"is no address: {error}", "--server") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidInput(f"must begin with http:// or https://, not {server!r}", "--server")
    if url.userinfo:
        raise InvalidInput("holds a user name or password: the key goes into --key-file", "--server")
    path = url.path.rstrip("/")
    return str(url.copy_with(path=path if path.endswith(PATH) else path + PATH, query=None, fragment=None))


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Certificates are always verified: by this file alone, else by the system's and certifi's."""
    try:
        if ca_file is not None:
            return ssl.create_default_context(cafile=str(ca_file))
        context = ssl.create_default_context()
        import certifi

        context.load_verify_locations(certifi.where())
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"--ca-file {ca_file} cannot be used: {error}") from error
    return context


class Sender:
    """Posts reports to one address. One connection per call: the interval outlives any keep-alive."""

    def __init__(self, url: str, ca_file: Path | None = None, timeout: float = TIMEOUT) -> None:
        verify: ssl.SSLContext | bool = trust(ca_file) if url.startswith("https:") else True
        self.url, self._timeout = url, timeout
        self._http = httpx.AsyncClient(
            verify=verify,
            timeout=timeout,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"User-Agent": "lastseen-agent", "Accept": "*/*", "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(self, key: str, body: dict[str, Any] | None, now: datetime, timeout: float | None = None) -> Answer:
        """One try; never raises but for cancellation. `now` is the wall clock, for a `Retry-After` that is a date."""
        content = b"" if body is None else msgspec.json.encode(body)
        return await self.post(self.url, content, key, now, timeout=timeout)

    async def post(
        self,
        url: str,
        content: bytes,
        key: str,
        now: datetime,
        *,
        taken: Collection[int] = (204,),
        timeout: float | None = None,
    ) -> Answer:
        """As `send`, to any address; `taken` are the answers that count. An empty `key` is not sent."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"} if key else {}
        try:
            with anyio.fail_after(timeout or self._timeout):
                async with self._http.stream("POST", url, content=content, headers=headers) as response:
                    return await self._judge(response, key or url, now, taken)
        except TimeoutError:
            return Answer(Kind.FAILED, f"no answer within {timeout or self._timeout:g} s")
        except Exception as error:  # noqa: BLE001 - a far end may break httpx in ways it has no name for: told and tried again
            return Answer(Kind.FAILED, redact(f"{type(error).__name__}: {error}".rstrip(": "), key or url))

    async def _judge(self, response: httpx.Response, key: str, now: datetime, taken: Collection[int]) -> Answer:
        code = response.status_code
        if code in taken:
            return Answer(Kind.SENT, redact(await _read(response), key) if code == 200 else "")
        if 300 <= code < 400:
            target = response.headers.get("location", "nowhere")
            return Answer(
                Kind.FAILED, redact(f"{code}: it redirects to {target}; give --server the final address", key)
            )
        if 200 <= code < 300:
            return Answer(Kind.FAILED, f"{code} instead of {min(taken)}: is this a lastseen server?")
        detail = redact(f"{code}: {await _why(response)}".rstrip(": "), key)
        if code in (401, 403):
            return Answer(Kind.REFUSED, detail)
        if code in (400, 413, 422):
            return Answer(Kind.MALFORMED, detail)
        return Answer(Kind.FAILED, detail, _retry_after(response.headers.get("retry-after"), now))


def redact(text: str, key: str) -> str:
    """One printable line of at most 300 characters that does not hold the key, whoever sent it back."""
    text = text.replace(key, "[key]") if key else text
    return re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]+", " ", text).strip()[:300]


async def _read(response: httpx.Response) -> str:
    """The beginning of a body."""
    raw = b""
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) >= DETAIL_BYTES:
            return ""
    return raw.decode(errors="replace")


async def _why(response: httpx.Response) -> str:
    """What an error's body says: the `detail` of our problem documents, else nothing."""
    raw = await _read(response)
    try:
        problem = msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ""
    if not isinstance(problem, dict):
        return ""
    return str(problem.get("detail") or problem.get("title") or "")


def _retry_after(value: str | None, now: datetime) -> float | None:
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,9}", value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
