"""`lastseen channels`: who is told, and whether that works. Adding one is in `channel_add`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from lastseen.cli.channel_add import AddGroup
from lastseen.cli.invites import invite
from lastseen.cli.options import UsageError, naming
from lastseen.cli.output import Json, answer, local, print_json, table
from lastseen.cli.session import call
from lastseen.cli.wishes import set_

app = typer.Typer(help="Who is told: add, test, list, switch off and on.", no_args_is_help=True)
add = typer.Typer(cls=AddGroup, help="Add a channel, by its type.", no_args_is_help=True)
app.add_typer(add, name="add")
app.command("invite")(invite)
app.command("set")(set_)

Ref = Annotated[str, typer.Argument(metavar="ID-OR-NAME", help="The channel.")]


@add.callback()
def _types() -> None:
    """Add a channel, by its type."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List channels; secrets are not shown."""

    from lastseen.manage import channels

    found = call(channels.listed)
    if as_json:
        print_json(found)
        return
    table(
        ("id", "channel", "type", "enabled", "why not", "to"),
        [(c["id"], c["name"], c["type"], c["enabled"], _why_not(c), _aim(c["config"])) for c in found],
        "No channels yet: nobody is told. The first: lastseen channels add webhook --name NAME --url URL",
    )


def _why_not(channel: Mapping[str, Any]) -> str | None:
    """Why it is off, or since when it fails."""
    since = channel.get("failing_since")
    if since is None:
        reason: str | None = channel["disabled_reason"]
        return reason
    return f"fails since {local(since)}: {channel.get('last_error') or 'nobody knows why'}"


def _aim(config: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in config.items() if value not in (None, ""))


def _switch(text: str, as_json: bool, enabled: bool, reason: str | None = None) -> None:
    from lastseen.manage import channels

    channel = call(channels.switch, text, enabled, reason)
    answer(
        as_json,
        channel,
        f"{channel['name']} is {'enabled' if enabled else 'disabled; what waited for it is cancelled'}",
    )


@app.command()
def enable(channel: Ref, as_json: Json = False) -> None:
    """Tell this channel again, and forget its failures."""
    _switch(channel, as_json, enabled=True)


@app.command()
def disable(
    channel: Ref,
    reason: Annotated[str | None, typer.Option(help="For those who wonder later.")] = None,
    as_json: Json = False,
) -> None:
    """Tell this channel nothing; what waits for it is cancelled."""
    _switch(channel, as_json, enabled=False, reason=reason)


@app.command("rotate-secret")
def rotate_secret(
    channel: Ref,
    keep: Annotated[str, typer.Option(help="How long the old secret signs too.", metavar="DURATION")] = "7d",
    as_json: Json = False,
) -> None:
    """Give a webhook a new secret; until the old one ends, requests carry a signature by each."""

    from lastseen.durations import parse_duration
    from lastseen.manage import channels

    span = parse_duration(keep, "--keep")
    changed = call(channels.rotate_secret, channel, span)
    answer(
        as_json,
        changed,
        f"{changed['name']} has a new secret, shown this once; the old one signs too for {keep}:\n{changed['secret']}",
    )


@app.command()
def rename(channel: Ref, name: Annotated[str, typer.Argument(help="Its new name.")], as_json: Json = False) -> None:
    """Call a channel otherwise; what it was told stays its own."""

    from lastseen.manage import channels

    renamed = call(channels.rename, channel, name)
    answer(as_json, renamed, f"{channel} is called {renamed['name']}")


@app.command()
def give(
    channel: Ref,
    to: Annotated[str | None, typer.Option(metavar="USER", help="Whose it is from now on.")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="It is everybody's, and hears of all machines.")] = False,
    as_json: Json = False,
) -> None:
    """Give a channel to a user, of whose machines it hears then and of shared ones, or to everybody."""
    if shared == (to is not None):
        raise UsageError("say to whom: --to USER, or --shared")

    from lastseen.manage import channels

    with naming(lambda field: "--to" if field == "owner" else field):
        given = call(channels.give, channel, to)
    whose = f"of {given['owner']}" if given["owner"] else "shared"
    answer(as_json, given, f"{given['name']} is {whose}")


@app.command()
def remove(channel: Ref, as_json: Json = False) -> None:
    """Remove a channel and its secrets; what was told through it stays in the history."""

    from lastseen.manage import channels

    gone = call(channels.remove, channel)
    answer(as_json, gone, f"{gone['name']} is removed")


@app.command("test")
def try_(channel: Ref, as_json: Json = False) -> None:
    """Send a test message, now; exit code 1 when it does not get there."""

    from lastseen.manage.channel_test import test

    # A console channel prints where the program runs: that is here, and programs want one JSON value and nothing else.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        result = call(test, channel)
    answer(as_json, result, f"{'It works' if result['ok'] else 'It does not work'}: {result['detail']}")
    if not result["ok"]:
        raise typer.Exit(1)
