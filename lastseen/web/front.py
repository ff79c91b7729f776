"""What is in front of the server: proxies that are believed, and under which names browsers reach it."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import URL

from lastseen.ingest.address import Network, client_address, passed_on
from lastseen.web.prefix import prefix_of

Scope = Mapping[str, Any]

_LONGEST = 262
"""Characters of a host with its port (RFC 1035, section 2.3.4: 255 octets at most)."""

_REMEMBERED = 256
"""Hosts that are read once, for all requests to them."""

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Front:
    """`proxies`: networks whose word on a request is believed. `public_url`: how the server is reached from
    elsewhere."""

    proxies: Sequence[Network] = ()
    public_url: str | None = None

    @property
    def prefix(self) -> str:
        """What the paths of pages begin with, outside."""
        return prefix_of(self.public_url)

    def trusts(self, scope: Scope) -> bool:
        """A trusted proxy handed this request on; what an earlier one said it may have passed on unread."""
        return passed_on(scope, self.proxies)

    def address(self, scope: Scope) -> str:
        """The address to count and to write down; "" where there is none."""
        return client_address(scope, self.proxies)

    def secure(self, scope: Scope) -> bool:
        """The browser speaks TLS, as far as we or a trusted proxy can see."""
        said = said_of(scope, b"x-forwarded-proto") if self.trusts(scope) else []
        scheme = said[-1].rpartition(",")[2].strip() if said else str(scope.get("scheme", "http"))
        return scheme.lower() == "https"

    def trustworthy(self, scope: Scope) -> bool:
        """As browsers see it: it comes by TLS, or from their own computer."""
        return self.secure(scope) or any(_is_own(host) for host in said_of(scope, b"host") if len(host) <= _LONGEST)

    def reached(self, scope: Scope) -> str:
        """How whoever asks reaches the server, without a slash at the end: as it is told, else as they did."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        return f"{'https' if self.secure(scope) else 'http'}://{URL(scope=dict(scope)).netloc}"

    def hosts(self, scope: Scope) -> frozenset[str]:
        """The hosts, with ports that are not the usual ones, under which a page of ours may have been opened."""
        said = said_of(scope, b"host") + (said_of(scope, b"x-forwarded-host") if self.trusts(scope) else [])
        public = [] if self.public_url is None else [host_in(self.public_url)]
        return frozenset(host.strip().lower() for host in (*said, *public) if host.strip())


def said_of(scope: Scope, name: bytes) -> list[str]:
    """The values of a header, one for each line."""
    return [value.decode("latin-1") for said, value in scope["headers"] if said == name]


def host_in(origin: str) -> str:
    """`host` or `host:8383` of an address; "" where it is none. A port that goes without saying is left out."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc:
        return ""
    return parts.netloc.lower().removesuffix(_DEFAULT_PORTS[parts.scheme])


def is_loopback(name: str) -> bool:
    """The host of this name is whatever computer asks."""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@functools.lru_cache(_REMEMBERED)
def _is_own(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
