"""`lastseen run -- COMMAND`: run a job and tell how it went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lastseen.durations import parse_duration
from lastseen.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from lastseen.agent.runner import Job
    from lastseen.agent.sender import Sender
    from lastseen.agent.telling import Line

CONTEXT = {"allow_interspersed_args": False}
"""Options after the command's name are the command's."""


def run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="What to run, with its arguments.")],
    server: Annotated[
        str | None, typer.Option(envvar="LASTSEEN_SERVER", help="The server: http://… or https://…")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(envvar="LASTSEEN_KEY_FILE", help="The file with the job's key.")
    ] = None,
    machine: Annotated[str | None, typer.Option(help="Whose run it is, where the key is a fleet key.")] = None,
    ping_url: Annotated[
        str | None,
        typer.Option(envvar="LASTSEEN_PING_URL", help="Instead of server and key: a Healthchecks-like address."),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option(help="Stop it when it takes longer, such as 2h, and report that.")
    ] = None,
    retry_for: Annotated[str, typer.Option(help="How long to try to report the end; 0 is one try.")] = "1m",
    output: Annotated[bool, typer.Option("--output/--no-output", help="Report the end of what it prints.")] = True,
    ca_file: Annotated[Path | None, typer.Option(help="Trust only the certificates in this file.")] = None,
) -> None:
    """Run a command and report its start, its end, how long it took and the last of its output.

    It is run whether the server can be reached or not, and its exit code is that of this command.
    """
    import anyio

    from lastseen.agent.runner import Job
    from lastseen.log_output import configure_logs

    configure_logs(level="WARNING")
    limit = None if timeout is None else parse_duration(timeout, "--timeout").total_seconds()
    patience = parse_duration(retry_for, "--retry-for", zero=True).total_seconds()
    by_key = None if ping_url is not None else key_file
    address = _address(server, key_file, ping_url)
    raise typer.Exit(anyio.run(_run, Job(command, limit, patience, output), address, by_key, machine, ca_file))


def _address(server: str | None, key_file: Path | None, ping_url: str | None) -> str:
    """Where to tell; InvalidInput for what is wrong whatever the server does."""
    from lastseen.agent.sender import endpoint
    from lastseen.agent.telling import ping_address

    if ping_url is not None:
        return ping_address(ping_url)
    if server is None or key_file is None:
        missing = "--server" if server is None else "--key-file"
        raise InvalidInput("wanted are --server and --key-file, or --ping-url", missing)
    return endpoint(server)


async def _run(job: Job, address: str, key_file: Path | None, machine: str | None, ca_file: Path | None) -> int:
    from lastseen.agent.runner import run
    from lastseen.agent.sender import Sender

    try:
        sender = Sender(address, ca_file)
        line = _line(sender, key_file, machine)
    except ConfigurationError as error:  # a job is not left undone because nobody could be told of it
        from lastseen.log import get_logger

        get_logger().error("run_not_told", reason=str(error), tries=0)
        return await run(job, None)
    async with sender:
        return await run(job, line)


def _line(sender: Sender, key_file: Path | None, machine: str | None) -> Line:
    from lastseen.agent.loop import KeyFile
    from lastseen.agent.telling import Heartbeats, Pings

    return Pings(sender) if key_file is None else Heartbeats(sender, KeyFile(key_file), machine)
