"""Where a command works: on the database here, or on a server that was named."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lastseen.cli.options import UsageError
from lastseen.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from datetime import tzinfo

    from lastseen.client.remote import Remote

SERVER, KEY_FILE = "LASTSEEN_SERVER", "LASTSEEN_API_KEY_FILE"

LOCALTIME = "/etc/localtime"
"""Where a computer has its zone, mostly as a link to the file that is named after it."""

ANYWHERE = {
    *("machines", "kinds", "sources", "channels", "silences", "why", "uptime", "ack", "events", "notifications"),
    *("watch", "nodes", "keys", "users", "audit", "status-pages", "badges"),
}
"""Commands that a server can be asked to do, or some below them."""


@dataclass(frozen=True, slots=True)
class There:
    """A server, whose API is asked with the key in a file."""

    server: str
    key_file: Path
    ca_file: Path | None


_there: ContextVar[There | None] = ContextVar("there", default=None)


def there() -> There | None:
    """The server that was named; None: the command works here."""
    return _there.get()


def choose(server: str | None, key_file: Path | None, ca_file: Path | None, command: str | None) -> None:
    """By what was said; else by the environment, where that names both. Raises UsageError, ConfigurationError."""
    _there.set(None)
    file = key_file or Path(os.environ.get(KEY_FILE, ""))
    given = file != Path()
    if server is None and key_file is None and ca_file is not None and not given:
        raise UsageError("--ca-file is for a server: --server URL --api-key-file FILE")
    address = server or (os.environ.get(SERVER) if given else None)
    if address is None:
        if key_file is not None:
            raise UsageError("say which server the key is for: --server URL")
        return
    if server is not None and command not in ANYWHERE:
        raise ConfigurationError(f"lastseen {command} works here alone: leave out --server{_own(command)}")
    if not given:
        raise UsageError(f"say which file holds the key for that server: --api-key-file FILE, or {KEY_FILE}")
    _there.set(There(address, file, ca_file))


def _own(command: str | None) -> str:
    return f", or give it behind {command}" if command in ("run", "agent") else ""


def must_be_here() -> None:
    """Raises ConfigurationError where a server was named."""
    if there() is not None:
        raise ConfigurationError(
            f"this works only where the database is: leave out --server (and {SERVER} with {KEY_FILE})"
        )


def remote(chosen: There, **more: Any) -> Remote:
    """`more`: as `Remote` takes it. Raises InvalidInput, ConfigurationError."""
    from lastseen.agent.sender import trust
    from lastseen.cli.output import zone
    from lastseen.client.remote import Remote
    from lastseen.variables import read_secret

    key = read_secret("--api-key-file", chosen.key_file).strip()
    verify = trust(chosen.ca_file) if _by_tls(chosen.server) else True
    try:
        return Remote(chosen.server, key, verify=verify, timezone=_name_of(zone()), **more)
    except InvalidInput as error:
        raise InvalidInput(error.message, "--server") from None


def _name_of(zone: tzinfo | None) -> str | None:
    """What a server may know it by; `zone` None: the computer's. None: it has no name that servers know."""
    from zoneinfo import ZoneInfo, available_timezones

    if isinstance(zone, ZoneInfo):
        return zone.key
    said = os.environ.get("TZ", "localtime").removeprefix(":")
    said = {"": "UTC", "localtime": LOCALTIME}.get(said, said)
    name = os.path.realpath(said).partition("/zoneinfo/")[2] if Path(said).is_absolute() else said
    name = name.removeprefix("posix/").removeprefix("right/")
    return name if name in available_timezones() else None  # as `lastseen.web.zones` asks of what it is told


def counterpart(verb: Callable[..., Any]) -> Callable[..., Any]:
    """What asks a server to do what this verb of `lastseen.manage` does. Raises ConfigurationError: nothing does."""
    from importlib import import_module

    module = import_module(f"lastseen.client.verbs.{verb.__module__.rpartition('.')[2]}")
    found: Callable[..., Any] | None = getattr(module, verb.__name__, None)
    if found is None:
        must_be_here()
        raise AssertionError(f"{verb.__module__}.{verb.__name__} is asked of no server")
    return found


def _by_tls(server: str) -> bool:
    return server.strip().lower().startswith("https:")
