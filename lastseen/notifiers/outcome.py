"""From an HTTP answer, or from what went wrong instead of one, to an outcome. For authors of notifiers too.

Reasons reach people, logs and pages, and far ends like to quote what they were sent: nothing that was sent is repeated.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import ssl
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote

import httpx

from lastseen.errors import ForbiddenAddress
from lastseen.model import Delivered, Outcome, Rejected, Retry, Scope
from lastseen.notifiers.reach import unreached

LONGEST_RETRY_AFTER = timedelta(hours=1)
_TROUBLE = frozenset({401, 403, 404, 408, 429})
"""Client errors that say something of the channel, not of this message: they may be over later."""

_GONE = 410
_QUOTED = 120  # characters of an answer that a reason repeats
_SHORTEST = 4
_HARMLESS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"}
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_KEY_LIKE = re.compile(r"(?=[A-Za-z0-9+/=_.-]*\d)[A-Za-z0-9+/=_.-]{20,}")


def http_outcome(response: httpx.Response, now: datetime | None = None, hide: Iterable[str] = ()) -> Outcome:
    """What an answer means for a notification.

    2xx: delivered. 410: the channel is gone for good. 3xx, 401, 403, 404, 408, 429 and 5xx: trouble of the channel,
    tried again, with `Retry-After` (seconds, or a date compared with the answer's own `Date`, else with `now`) kept up
    to an hour. Any other 4xx: this very message is refused. `hide`: what the far end knows without being sent it, such
    as the secret that it checks a signature with.
    """
    status = response.status_code
    if 200 <= status < 300:
        return Delivered()
    reason = _reason(response, hide)
    if status == _GONE:
        return Rejected(reason, Scope.CHANNEL)
    if 400 <= status < 500 and status not in _TROUBLE:
        return Rejected(reason, Scope.NOTIFICATION)
    return Retry(reason, Scope.CHANNEL, _retry_after(response, now))


def from_exception(error: Exception) -> Retry:
    """What went wrong instead of an answer, as trouble of the channel. Never quotes an address's path."""
    reason = str(error) if isinstance(error, ForbiddenAddress) else _trouble(error, _host(error))
    return Retry(reason, unreached=unreached(error))


def _trouble(error: Exception, host: str) -> str:
    match error:
        case httpx.ConnectTimeout():
            return f"cannot connect to {host}: timed out"
        case httpx.ConnectError():
            return f"cannot connect to {host}: {why_not_connected(error)}"
        case httpx.TimeoutException():
            return f"{host} timed out"
        case httpx.NetworkError() | httpx.RemoteProtocolError():
            return f"{host} broke the connection"
        case _:
            return f"{type(error).__name__} while sending to {host}"


def _host(error: Exception) -> str:
    try:
        return error.request.url.host if isinstance(error, httpx.RequestError) else "the far end"
    except RuntimeError:  # the request is not known
        return "the far end"


def why_not_connected(error: Exception) -> str:
    """The operating system's word for it, from wherever in the chain it is."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and hasattr(cause, "reason"):  # aiohttp has look-alikes without
            problem = getattr(cause, "verify_message", "") or (cause.reason or "unknown").lower().replace("_", " ")
            return f"TLS failed, {problem}"
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause.__cause__, ssl.SSLError):
            return _spoken(cause.strerror)
        cause = cause.__cause__ or cause.__context__
    return "no connection"


def _spoken(words: str) -> str:
    """`Connect call failed ('10.0.0.1', 80)` is asyncio's way to say refused."""
    if words.startswith("Connect call failed"):
        return "refused"
    return words[:1].lower() + words[1:]


def _retry_after(response: httpx.Response, now: datetime | None) -> timedelta | None:
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", value):
        return min(timedelta(seconds=int(value)), LONGEST_RETRY_AFTER)
    until, reference = _date(value), _date(response.headers.get("date", "")) or now
    if until is None or reference is None:
        return None
    return min(max(until - reference, timedelta(0)), LONGEST_RETRY_AFTER)


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError):
        return None
    return moment if moment.tzinfo is not None else None


# -- reasons


def _reason(response: httpx.Response, hide: Iterable[str]) -> str:
    host = response.request.url.host
    said = _quote(response, hide)
    return f"{response.status_code} from {host}" + (f": {said}" if said else "")


def _quote(response: httpx.Response, hide: Iterable[str]) -> str:
    """The beginning of the answer's body, without anything that was sent."""
    try:
        text = response.text[:4096]
    except (httpx.StreamError, LookupError):  # not read, or in an encoding that nobody knows
        return ""
    if "<html" in text.lower() or "\x00" in text:
        return ""
    for hidden in sorted(set(_forms([*_values(response.request), *hide])), key=len, reverse=True):
        text = text.replace(hidden, "[…]")
    text = _KEY_LIKE.sub("[…]", _ADDRESS.sub("[address]", text))
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"


def _forms(values: Iterable[str]) -> Iterator[str]:
    """In which a far end might quote these."""
    for value in values:
        forms = {value, unquote(value), quote(value, safe=""), json.dumps(value)[1:-1]}
        yield from (form for form in forms if len(form) >= _SHORTEST)


def _values(request: httpx.Request) -> Iterator[str]:
    for name, value in request.headers.items():
        if name.lower() not in _HARMLESS:
            yield value
            yield from value.split()
            yield from _login(value)
    yield from request.url.path.split("/")
    yield request.url.userinfo.decode("ascii", "replace")
    for _, value in request.url.params.multi_items():
        yield value
    yield from _body_values(request)


def _login(value: str) -> Iterator[str]:
    """The user and the password of a Basic authorization."""
    scheme, _, coded = value.partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            yield from base64.b64decode(coded).decode("utf-8", "replace").split(":", 1)


def _body_values(request: httpx.Request) -> Iterator[str]:
    try:
        content = request.content
    except httpx.RequestNotRead:
        return
    if "json" in request.headers.get("content-type", ""):
        try:
            yield from _strings(json.loads(content))
        except ValueError:
            return
    elif "form-urlencoded" in request.headers.get("content-type", ""):
        yield from (value for _, value in httpx.QueryParams(content.decode("utf-8", "replace")).multi_items())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
