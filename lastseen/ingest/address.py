"""Where a request came from: what is counted when it fails to authenticate."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SITE = 64
"""Whoever has one IPv6 address has all of its /64."""

_LONGEST = 100
"""Characters of an address, with brackets, a zone and a port."""

_REMEMBERED = 1024
"""Addresses that are read once: every request asks for its own several times."""


def client_address(scope: Mapping[str, Any], proxies: Sequence[Network]) -> str:
    """The address to count: the peer's; behind trusted proxies the right-most in X-Forwarded-For that is none of
    theirs. What else that header says anybody may have written. "" where there is none (a Unix socket)."""
    peer = scope.get("client")
    here = _address(peer[0]) if peer else None
    if here is None:
        return ""
    for said in reversed(_forwarded(scope) if proxies else []):
        if not _trusted(here, proxies):
            break
        there = _address(said)
        if there is None:
            break
        here = there
    return _site(here)


def passed_on(scope: Mapping[str, Any], proxies: Sequence[Network]) -> bool:
    """Whether a trusted proxy itself hands this request on, so that what it says of it is believed."""
    peer = scope.get("client")
    here = _address(peer[0]) if peer else None
    return here is not None and _trusted(here, proxies)


def _forwarded(scope: Mapping[str, Any]) -> list[str]:
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return ",".join(lines).split(",") if lines else []


def _address(text: str) -> Address | None:
    """Also as some proxies write it: with a port, or in brackets."""
    text = text.strip()
    return _parsed(text) if len(text) <= _LONGEST else None


@functools.lru_cache(_REMEMBERED)
def _parsed(text: str) -> Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def _trusted(address: Address, proxies: Sequence[Network]) -> bool:
    return any(address in network for network in proxies if network.version == address.version)


@functools.lru_cache(_REMEMBERED)
def _site(address: Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, _SITE), strict=False))
