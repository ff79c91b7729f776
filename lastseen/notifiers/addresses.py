"""Which addresses an outgoing request may go to. Pure.

An explicit list: `ipaddress.is_global` says yes to multicast, 6to4, NAT64 and mapped loopback addresses on some Python
versions. An IPv4 address inside an IPv6 one is judged too, as the packet may end there.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SETTING = "LASTSEEN_WEBHOOK_ALLOW_NETWORKS"


def _networks(table: dict[str, str]) -> tuple[tuple[Network, str], ...]:
    return tuple((ipaddress.ip_network(network), what) for network, what in table.items())


NEVER = _networks(
    {
        "0.0.0.0/8": "unspecified",
        "100.100.100.200/32": "cloud metadata",
        "168.63.129.16/32": "cloud metadata",
        "169.254.0.0/16": "link-local, where cloud metadata is",
        "192.0.0.0/24": "reserved",
        "192.0.2.0/24": "reserved",
        "192.88.99.0/24": "reserved",
        "198.51.100.0/24": "reserved",
        "203.0.113.0/24": "reserved",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
        "::/128": "unspecified",
        "100::/64": "reserved",
        "2001:2::/48": "reserved",
        "2001:10::/28": "reserved",
        "2001:20::/28": "reserved",
        "2001:db8::/32": "reserved",
        "3fff::/20": "reserved",
        "5f00::/16": "reserved",
        "fd00:42::42/128": "cloud metadata",
        "fd00:ec2::/32": "cloud metadata",
        "fd20:ce::254/128": "cloud metadata",
        "fe80::/10": "link-local, where cloud metadata is",
        "ff00::/8": "multicast",
    }
)
"""Refused whatever is allowed."""

PRIVATE = _networks(
    {
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "private",
        "127.0.0.0/8": "loopback",
        "172.16.0.0/12": "private",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "private",
        "::1/128": "loopback",
        "64:ff9b:1::/48": "private",
        "fc00::/7": "private",
        "fec0::/10": "private",
    }
)
"""Refused unless the policy allows them."""

_LAST_32_BITS = tuple(
    ipaddress.IPv6Network(network)
    for network in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
"""Compatible, mapped, translated, NAT64 and local NAT64: the IPv4 address is at the end."""

_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")

_6TO4 = ipaddress.IPv6Network("2002::/16")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)


@dataclass(frozen=True, slots=True)
class Policy:
    """`allow_private`: loopback and private addresses too (channels that everybody shares, or of the program itself);
    `networks`: those of them that are allowed in any case."""

    allow_private: bool = False
    networks: tuple[Network, ...] = ()


def refusal(address: Address, policy: Policy) -> str | None:
    """Why no request may go to this address; None: it may."""
    for one in (address, *embedded(address)):
        reason = _refusal(one, policy)
        if reason is not None:
            return reason
    return None


def literal(host: str) -> Address | None:
    """The address that is written here, in any spelling that the system takes: decimal, octal, hexadecimal, short."""
    host = host.strip("[]")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=1024)
def _refusal(address: Address, policy: Policy) -> str | None:
    never = _find(address, NEVER)
    if never is not None:
        return f"{never} addresses are never allowed" if "," not in never else f"{never}: never allowed"
    private = _find(address, PRIVATE)
    if private is None or policy.allow_private or any(_within(address, network) for network in policy.networks):
        return None
    return (
        f"{private} addresses are only for channels that everybody shares: an admin shares it, or {SETTING} lists them"
    )


def _find(address: Address, table: Iterable[tuple[Network, str]]) -> str | None:
    return next((what for network, what in table if _within(address, network)), None)


def _within(address: Address, network: Network) -> bool:
    if address.version != network.version:
        return False
    return int(address) >> (address.max_prefixlen - network.prefixlen) == int(network.network_address) >> (
        address.max_prefixlen - network.prefixlen
    )


def embedded(address: Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses inside an IPv6 address."""
    if not isinstance(address, ipaddress.IPv6Address):
        return
    bits = int(address)
    if bits <= 1:  # unspecified and loopback look like compatible addresses
        return
    if _within(address, _LOCAL_NAT64) and not bits & 0xFFFFFF:
        yield from _by_prefix(bits)
    elif any(_within(address, network) for network in _LAST_32_BITS):
        yield ipaddress.IPv4Address(bits & 0xFFFFFFFF)
    if _within(address, _6TO4):
        yield ipaddress.IPv4Address(bits >> 80 & 0xFFFFFFFF)
    if _within(address, _TEREDO):
        yield ipaddress.IPv4Address(bits >> 64 & 0xFFFFFFFF)
        yield ipaddress.IPv4Address(~bits & 0xFFFFFFFF)
    if bits >> 32 & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(bits & 0xFFFFFFFF)


def _by_prefix(bits: int) -> Iterator[ipaddress.IPv4Address]:
    """Where a translator with a prefix of 48, 56 or 64 bits looks, the octet of bits 64 to 71 left out; zeros follow
    (RFC 6052, 2.2). The length is the network's own affair: each is tried, and what would begin with 0 is padding."""
    without_octet = bits >> 64 << 56 | bits & (1 << 56) - 1  # 120 bits
    for length in (48, 56, 64):
        found = ipaddress.IPv4Address(without_octet >> 120 - length - 32 & 0xFFFFFFFF)
        if found not in _THIS_NETWORK:
            yield found
