"""The listening socket: bound before the monitor starts, so that whoever reports meanwhile waits in its queue."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

from lastseen.errors import ConfigurationError

BACKLOG = 2048
"""Connections that the kernel keeps for us while we start."""

GONE = 60.0
"""Seconds after which a connection is over on which nothing of ours arrives: who follows the stream and fell off the
net without a word would else be sent to for a quarter of an hour."""

MOST_FILES = 65_536
"""Open files, each connection is one. More than that nobody needs, and Python closes that many for each child."""


def allow_connections() -> None:
    """Raise the soft limit of open files as far as the hard one lets us: it is 1024 nearly everywhere, for the sake of
    programs that use select(), and so few idle connections would keep everybody out."""
    try:
        import resource
    except ImportError:
        return  # not on Windows
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises ConfigurationError with what to do."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )[0]
    except (socket.gaierror, UnicodeError):
        raise ConfigurationError(f"LASTSEEN_HOST: {host!r} is no address of this computer") from None
    # Named as TCP, or asyncio lets the kernel wait for the client's acknowledgement (40 ms) between headers and body.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections have it of the listener
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(GONE * 1000))
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigurationError(_advice(host, port, error)) from None
    return listener


def _advice(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken: stop what listens there, or set LASTSEEN_PORT (0 takes a free one)"
    if error.errno == errno.EACCES:
        return f"port {port} of {host} is not allowed for this user: set LASTSEEN_PORT to one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"LASTSEEN_HOST: {host} is no address of this computer"
    return f"cannot listen on port {port} of {host}: {error.strerror}"


def url_of(listener: socket.socket) -> str:
    """The address as one types it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def reached_at(url: str) -> str:
    """How others reach what listens there: on every address, that is by the computer's name."""
    for everywhere in ("//0.0.0.0:", "//[::]:"):
        url = url.replace(everywhere, f"//{socket.gethostname()}:")
    return url
