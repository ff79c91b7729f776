"""The command itself: what groups there are, and how errors end it (0 done, 1 failed, 2 wrong usage)."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from lastseen.cli import (
    agent,
    backup,
    channels,
    database,
    demo,
    doctor,
    drill,
    events,
    import_,
    keys,
    kinds,
    machines,
    nodes,
    notifications,
    output,
    plugins,
    public,
    run,
    serve,
    sources,
    uptime,
    users,
    watch,
    webhook,
    where,
    why,
    wishes,
)
from lastseen.errors import InvalidInput, LastseenError

app = typer.Typer(
    name="lastseen",
    help="Knows that a machine has gone silent, and tells people once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("agent")(agent.agent)
app.command("run", context_settings=run.CONTEXT)(run.run)
app.add_typer(machines.app, name="machines")
app.add_typer(kinds.app, name="kinds")
app.add_typer(sources.app, name="sources")
app.add_typer(channels.app, name="channels")
app.add_typer(wishes.app, name="silences")
app.command("watch")(watch.watch)
app.command("why")(why.why)
app.command("uptime")(uptime.uptime)
app.command("ack")(wishes.ack)
app.command("events")(events.events)
app.add_typer(notifications.app, name="notifications")
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")
app.command("setup-link")(users.setup_link)
app.command("audit")(users.audit)
app.add_typer(public.pages, name="status-pages")
app.add_typer(public.badges, name="badges")
app.add_typer(database.app, name="db")
app.add_typer(import_.app, name="import")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("nodes")(nodes.nodes)
app.command("plugins")(plugins.plugins)
app.add_typer(webhook.app, name="webhook")
app.command("doctor")(doctor.doctor)
app.command("drill")(drill.drill)


def _version(wanted: bool) -> None:
    if wanted:
        from lastseen.release import version

        typer.echo(f"lastseen {version()}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where an error came from, for a report.")
    ] = False,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask this server, instead of the database here.")
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file with the key for that server (`lsa_…`).")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Trust only the certificates in this file, for that server.")
    ] = None,
) -> None:
    context.obj = {"traceback": traceback}
    output.zone.cache_clear()
    where.choose(server, api_key_file, ca_file, context.invoked_subcommand)


@cache
def _command() -> Any:
    """Made once: reading what all commands take is much of a short one's time."""
    return typer.main.get_command(app)


def main() -> None:
    """Run the command; what goes wrong is a few lines on standard error, and exit code 1."""
    try:
        _command()()
    except InvalidInput as error:
        _fail(error, "\n".join(map(str, (error, *error.others))))
    except LastseenError as error:
        _fail(error, str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(error, f"{where}{error.strerror or type(error).__name__}")
    except Exception as error:  # noqa: BLE001 - the last resort: a person gets a sentence, and the way to more
        _fail(error, f"unexpected {type(error).__name__}: {error}\nThis is a bug in lastseen: --traceback shows where.")


def _fail(error: BaseException, text: str) -> None:
    from lastseen.log_output import redact

    if "--traceback" in sys.argv:
        import traceback

        text = "".join(traceback.format_exception(error))
    sys.stderr.write(f"lastseen: {redact(text).rstrip()}\n")
    sys.exit(1)
