"""What the values of settings may be: from what people write to what the program uses.

What is wrong with one is said as a ValueError, or as InvalidInput without a field: the setting's name comes before it.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from lastseen.durations import NEVER, parse_age, parse_duration, parse_often, parse_threshold
from lastseen.ingest.limits import parse_rate
from lastseen.model.retention import SHORTEST, UPTIME


def duration(value: Any) -> timedelta:
    return parse_duration(value, "")


def threshold(value: Any) -> timedelta:
    return parse_threshold(value, "") or NEVER


def grace(value: Any) -> timedelta:
    return parse_duration(value, "", zero=True)


def kept(value: Any) -> timedelta | None:
    return parse_age(value, "", SHORTEST)


def kept_for_uptime(value: Any) -> timedelta | None:
    return parse_age(value, "", UPTIME)


def often(value: str) -> str:
    parse_often(value, "")
    return value


def zone(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be a time zone such as Europe/Vienna or UTC") from None


def address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", value):
        raise ValueError("must be an address such as https://lastseen.example.org")
    return value.rstrip("/")


def secret_address(value: SecretStr) -> SecretStr:
    """An address with a secret in it, its query included; no error repeats it."""
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s#]*", value.get_secret_value()):
        raise ValueError("must be an address such as https://hc-ping.com/your-uuid-here")
    return value


_OTHERS_HEADERS = {"authorization", "cookie", "host", "origin", "user-agent", "x-api-key", "forwarded"} | {
    f"x-forwarded-{what}" for what in ("for", "host", "proto")
}


def networks(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ipaddress.ip_network(part) for part in re.split(r"[,\s]+", value.strip()) if part)
    except ValueError as error:
        raise ValueError(f"must be networks such as 10.0.0.0/8, fd00::/8: {error}") from None


def header(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", value) or value.lower() in _OTHERS_HEADERS:
        raise ValueError("must be the name of a header that nothing else uses, such as Remote-User")
    return value


def limit(value: str) -> str:
    parse_threshold(value, "")
    return value


def several(value: Any) -> Any:
    return tuple(part for part in re.split(r"\s*[,\n]\s*", value.strip()) if part) if isinstance(value, str) else value


def parts(value: Any) -> frozenset[str]:
    parts = frozenset(several(value))
    if not REDIS_PARTS.issuperset(parts):
        raise ValueError(f"must be some of {', '.join(sorted(REDIS_PARTS))}, separated by commas")
    return parts


def rate(value: Any) -> Any:
    return parse_rate(value) if isinstance(value, str) else value


def token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"\d+:[A-Za-z0-9_-]+", value.get_secret_value()):
        raise ValueError("must be a bot's token as @BotFather gives it: digits, a colon, letters")
    return value


def host(value: str) -> str:
    if not value:
        raise ValueError("must be an address to listen on, such as 127.0.0.1 or 0.0.0.0")
    return value


def port(value: Any) -> int:
    if not re.fullmatch(r"\d{1,5}", str(value)) or int(value) > 65535:
        raise ValueError("must be a port, a number from 0 to 65535")
    return int(value)


def as_written(text: str) -> Any:
    """A default as people write it: it is read like what they write."""
    return text


REDIS_PARTS = frozenset({"cache", "keys", "limits"})
