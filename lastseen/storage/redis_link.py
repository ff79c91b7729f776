"""The way to a Redis or Valkey server that may be away at any moment: nothing waits for it, and it is never the truth.

Whoever asks gets an answer within a moment, or `Away`. After a failure nobody asks any more until `probe`, which the
writer's loop calls, has been answered; so a server that hangs costs the requests of one moment their patience, and the
others nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

from lastseen.clock import Clock
from lastseen.errors import ConfigurationError, PluginError
from lastseen.log import get_logger

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

PAUSES = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two probes of a server that is away; the last one from then on."""

PROBE_WITHIN = 1.0

_SCHEMES = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""What the URL may name after its `?` for TLS, of which the library wants files."""

_log = get_logger()


class Away(Exception):
    """The server did not answer, or would not do it. Never leaves this package."""


class Link:
    """One server, given as `redis://user:password@host:6379/0`, `rediss://…` or `unix:///path?db=0`; `valkey://` is
    `redis://`. Making it connects to nothing. Raises ConfigurationError, which never repeats the URL, and PluginError
    where the library is not installed."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        self._client = _client(url)
        self._failures = 0
        self._failed_at = 0.0
        self._ask_again_at = float("-inf")
        self.reason = ""
        self.returns = 0
        """How often it was away and is there again."""

    @property
    def there(self) -> bool:
        """Nothing has failed since the last answer of a probe."""
        return not self._failures

    @property
    def trouble(self) -> str:
        """Why it is away, for people; "": it is there, or the first probe since a failure is still to come."""
        return self.reason if self._failures > 1 else ""

    async def ask(self, work: Callable[[Redis], Awaitable[T]], within: float) -> T:
        """Raises Away: at once while it is known to be away, after `within` seconds at the latest."""
        if self._failures:
            raise Away(self.reason)
        return await self._ask(work, within)

    async def probe(self, work: Callable[[Redis], Awaitable[T]]) -> T | None:
        """Ask a server that is away, if it is time to; None: not yet, or still away."""
        if self._clock.monotonic() < self._ask_again_at:
            return None
        self._ask_again_at = self._clock.monotonic() + PROBE_WITHIN  # one at a time
        try:
            answer = await self._ask(work, PROBE_WITHIN)
        except Away:
            return None
        if self._failures > 1:
            _log.info("redis_back", seconds=round(self._clock.monotonic() - self._failed_at, 1))
        self._failures = 0
        self.returns += 1
        return answer

    async def reach(self) -> str:
        """Ask it for nothing: why it does not answer; "": it does."""
        try:
            await self.ask(lambda client: client.ping(), PROBE_WITHIN)
        except Away:
            return self.reason
        return ""

    async def close(self) -> None:
        with suppress(*_failures()):
            async with asyncio.timeout(PROBE_WITHIN):
                await self._client.aclose()

    async def _ask(self, work: Callable[[Redis], Awaitable[T]], within: float) -> T:
        try:
            async with asyncio.timeout(within):
                return await work(self._client)
        except _failures() as error:
            self._failed(reason_of(error))
            raise Away(self.reason) from None

    def _failed(self, reason: str) -> None:
        """The first failure may be a hiccup of our own; of one that outlasts a probe people are told, once."""
        now = self._clock.monotonic()
        self.reason = reason
        if not self._failures:
            self._failed_at = now
        elif self._failures == 1:
            _log.warning("redis_away", reason=reason)
        self._ask_again_at = now + PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1


async def run_script(client: Redis, text: str, arguments: Sequence[str | bytes]) -> Any:
    """By its hash; the whole of it where the server does not have it: it was started again, or is another."""
    from redis.exceptions import NoScriptError

    try:
        return await client.evalsha(_digest(text), 0, *arguments)
    except NoScriptError:
        return await client.eval(text, 0, *arguments)


@cache
def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _client(url: str) -> Redis:
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise PluginError(
            "LASTSEEN_REDIS_URL wants a library: install it with: pip install 'lastseen[redis]'"
        ) from None
    scheme, _, rest = url.partition(":")
    if scheme not in _SCHEMES or not re.match(r"//([^/?#]*@)?/[^/]" if scheme == "unix" else "//[^/?#]", rest):
        raise ConfigurationError(
            "LASTSEEN_REDIS_URL: must be redis://host:6379/0, rediss://… or unix:///path/to/socket"
        )
    _refuse_missing_files(url)
    try:
        return Redis.from_url(
            f"{_SCHEMES[scheme]}:{rest}",
            socket_connect_timeout=None,  # `ask` has the one limit
            socket_timeout=None,  # the library's own swallow a cancellation on Python 3.11
            retry=Retry(NoBackoff(), 0),
            client_name="lastseen",
        )
    except (ValueError, TypeError):
        raise ConfigurationError("LASTSEEN_REDIS_URL: it cannot be read as an address of a Redis server") from None


def _refuse_missing_files(url: str) -> None:
    """Those that certificates are in: the library looks for them at each connection, and says nothing of use."""
    for name, value in parse_qsl(url.partition("?")[2]):
        if name in _FILES and not os.access(value, os.R_OK):
            raise ConfigurationError(f"LASTSEEN_REDIS_URL: there is no file for {name} that can be read")


def _failures() -> tuple[type[BaseException], ...]:
    """Everything that talking to it may raise. A cut connection may leave half an answer, which is a ValueError."""
    from redis.exceptions import RedisError

    return (RedisError, OSError, TimeoutError, asyncio.IncompleteReadError, ValueError)


def reason_of(error: BaseException) -> str:
    """What is wrong, for people. The library's own texts may quote what it was sent."""
    from redis import exceptions as known

    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not to be trusted: who signed it (ssl_ca_certs), its name or its age"
        if isinstance(cause, ssl.SSLError):
            return "TLS does not come about: does it speak TLS there, and want a certificate of ours?"
    reasons: tuple[tuple[Any, str], ...] = (
        (known.AuthenticationError, "it does not accept the name or the password"),
        (known.AuthorizationError, "it does not accept the name or the password"),
        (known.NoPermissionError, "this user may not do what is needed there"),
        (known.OutOfMemoryError, "it has no memory left for more"),
        (known.ReadOnlyError, "it is a copy that cannot be written"),
        (known.BusyLoadingError, "it is still loading its data"),
        ((known.TimeoutError, TimeoutError), "it does not answer in time"),
        (known.ConnectionError, "there is no connection to it"),
        (OSError, "there is no connection to it"),
    )
    return next((text for kinds, text in reasons if isinstance(error, kinds)), f"it answers {type(error).__name__}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it came of."""
    known: BaseException | None = error
    while known is not None:
        yield known
        known = known.__cause__ or known.__context__
