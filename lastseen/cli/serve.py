"""`lastseen serve`: the server."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on (LASTSEEN_HOST, 127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Its port (LASTSEEN_PORT, 8383); 0 takes a free one.")
    ] = None,
) -> None:
    """Serve until SIGTERM: accept heartbeats, watch machines, tell people."""
    from lastseen.serving import serve as run_server
    from lastseen.settings import Settings

    run_server(Settings.load(host=host, port=port))
