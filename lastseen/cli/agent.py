"""`lastseen agent`: report in from this machine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lastseen.durations import parse_duration
from lastseen.errors import InvalidInput

SHORTEST = 0.1
"""Seconds: a shorter interval helps nobody."""


class Said(StrEnum):
    OK = "ok"
    ERROR = "error"


def agent(
    server: Annotated[str, typer.Option(envvar="LASTSEEN_SERVER", help="The server: http://… or https://…")],
    key_file: Annotated[
        Path, typer.Option(envvar="LASTSEEN_KEY_FILE", help="The file with this machine's key; read again on change.")
    ],
    interval: Annotated[str, typer.Option(envvar="LASTSEEN_INTERVAL", help="Time between reports.")] = "30s",
    once: Annotated[bool, typer.Option("--once", help="One report; exit code 1 when it was not taken.")] = False,
    goodbye: Annotated[bool, typer.Option("--goodbye", help="Say goodbye when stopped by SIGTERM.")] = False,
    ca_file: Annotated[Path | None, typer.Option(help="Trust only the certificates in this file.")] = None,
    status: Annotated[Said | None, typer.Option(help="Report that all is well, or a fault.")] = None,
    message: Annotated[str | None, typer.Option(help="What a fault is, for people.")] = None,
    log_format: Annotated[str, typer.Option(envvar="LASTSEEN_LOG_FORMAT", help="console or json")] = "console",
) -> None:
    """Report in from this machine, with a few numbers, until stopped."""
    import anyio

    from lastseen.agent.loop import Options, run
    from lastseen.log_output import configure_logs

    if log_format not in ("console", "json"):
        raise InvalidInput("must be console or json", "--log-format")
    seconds = parse_duration(interval, "--interval").total_seconds()
    if seconds < SHORTEST:
        raise InvalidInput(f"must be at least {SHORTEST:g} s", "--interval")
    said = {name: value for name, value in (("status", status and status.value), ("message", message)) if value}
    configure_logs(log_format)
    options = Options(server, key_file, seconds, once, goodbye, ca_file, said or None)
    raise typer.Exit(anyio.run(run, options))
