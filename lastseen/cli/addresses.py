"""How the server is reached, as the command line knows it."""

from __future__ import annotations

from lastseen.cli.session import settings


def base_url() -> str | None:
    """How the server is reached: LASTSEEN_PUBLIC_URL, or where it listens, or last did. None: nobody knows yet."""
    from lastseen.datadir import database_file, served_at
    from lastseen.listening import reached_at

    chosen = settings()
    if chosen.public_url:
        return str(chosen.public_url)
    file = database_file(chosen.database)
    address = served_at(file) if file is not None else None
    if address is None and chosen.port:
        address = (
            f"http://[{chosen.host}]:{chosen.port}" if ":" in chosen.host else f"http://{chosen.host}:{chosen.port}"
        )
    return None if address is None else reached_at(address)
