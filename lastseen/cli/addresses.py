"""How the server is reached, as the command line knows it."""

from __future__ import annotations

import socket

from lastseen.cli.session import settings


def base_url() -> str | None:
    """How the server is reached: LASTSEEN_PUBLIC_URL, or where it listens, or last did. None: nobody knows yet."""
    from lastseen.datadir import database_file, served_at

    chosen = settings()
    if chosen.public_url:
        return str(chosen.public_url)
    file = database_file(chosen.database)
    address = served_at(file) if file is not None else None
    if address is None and chosen.port:
        address = (
            f"http://[{chosen.host}]:{chosen.port}" if ":" in chosen.host else f"http://{chosen.host}:{chosen.port}"
        )
    return None if address is None else _by_name(address)


def _by_name(address: str) -> str:
    """A server that listens on every address is reached by the computer's name."""
    for everywhere in ("//0.0.0.0:", "//[::]:"):
        address = address.replace(everywhere, f"//{socket.gethostname()}:")
    return address
