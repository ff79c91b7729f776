"""`lastseen notifications`: who was told what, and who was not."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from lastseen.cli.events import Limit
from lastseen.cli.options import UsageError
from lastseen.cli.output import Json, local, print_json, table
from lastseen.cli.session import call, settings
from lastseen.clock import SystemClock
from lastseen.durations import parse_duration
from lastseen.errors import InvalidInput
from lastseen.model.words import NotificationState

app = typer.Typer(help="Who was told what, and who was not.", no_args_is_help=True)

MANY = 10
"""More than so many are told again only by who says that it is meant."""

SHOWN = 100
"""Rows of what would be told again that are printed."""

State = Annotated[NotificationState | None, typer.Option(help="Only in this state.")]
OfChannel = Annotated[str | None, typer.Option("--channel", metavar="NAME", help="Only of this channel.")]
OfMachine = Annotated[str | None, typer.Option("--machine", metavar="SLUG-OR-ID", help="Only of this machine.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only what ended (or was made) since then: 2h ago, or 2026-06-01T22:00."),
]


@app.command("list")
def list_(
    state: State = None,
    channel: OfChannel = None,
    machine: OfMachine = None,
    since: Since = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List notifications, newest first. `uid` is the `webhook-id` that receivers see."""

    from lastseen.manage import notifications

    found = call(notifications.found, state, channel, machine, _since(since), limit)
    chosen = state or channel or machine or since
    if as_json:
        print_json(found)
    else:
        _table(found, "None of them is like that." if chosen else "No notifications.")


@app.command()
def replay(
    notification: Annotated[str | None, typer.Argument(metavar="ID-OR-UID", help="Which one.")] = None,
    state: Annotated[str | None, typer.Option(help="`dead`: all that was given up, and not told since.")] = None,
    channel: OfChannel = None,
    machine: OfMachine = None,
    since: Since = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be told again.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, however many they are.")] = False,
    as_json: Json = False,
) -> None:
    """Tell again: a new notification of the same event for the same channel. One, or all that was given up.

    It may be said twice: what was told since then, or waits to be told, is left out.
    """
    by_filter = bool(state or channel or machine or since or dry_run or yes)
    if notification is not None and by_filter:
        raise UsageError("say which one, or which: not both")
    if notification is not None:
        _replay_one(notification, as_json)
    elif state != "dead":
        raise UsageError("say which one, or --state dead for what was given up")
    else:
        _replay_dead((channel, machine, since), dry_run, yes, as_json)


def _replay_one(notification: str, as_json: bool) -> None:
    from lastseen.manage import notifications

    made = call(notifications.replay, notification)
    if as_json:
        print_json(made)
    else:
        _table([made], "")


def _replay_dead(filters: tuple[str | None, str | None, str | None], dry_run: bool, yes: bool, as_json: bool) -> None:
    from lastseen.manage import notifications

    channel, machine, since = filters
    which = (channel, machine, _since(since))
    done = call(notifications.again, *which, most=SHOWN, dry_run=True)
    if done["found"] and not dry_run:
        _confirm(done["found"], yes, as_json)
        done = call(notifications.again, *which, most=done["found"])
    done["dry_run"] = dry_run
    if as_json:
        print_json(done)
    else:
        _table(done["notifications"][:SHOWN], "Nothing is to be told again.")
        typer.echo(_summary(done))


def _confirm(count: int, yes: bool, as_json: bool) -> None:
    """Raises InvalidInput where nobody can be asked."""
    if yes or count <= MANY:
        return
    if as_json or not sys.stdin.isatty():
        raise InvalidInput(f"{count} would be told again: add --yes if that is meant, --dry-run lists them", "--yes")
    typer.confirm(f"Tell {count} notifications again?", abort=True)


def _summary(done: Mapping[str, Any]) -> str:
    parts = [f"{done['found']} would be told again." if done["dry_run"] else f"{done['replayed']} are told again."]
    if done["left"] and not done["dry_run"]:
        parts.append(f"{done['left']} are left: say it once more.")
    if done["again"]:
        parts.append(f"{done['again']} left out: told since, or about to be.")
    if done["off"]:
        parts.append(f"{done['off']} left out: the channel is off or gone (`lastseen channels enable NAME`).")
    return " ".join(parts)


def _since(text: str | None) -> datetime | None:
    """`2h`, as long ago, or a moment."""
    from lastseen.monitor.moment import named

    if text is None:
        return None
    now = SystemClock().now()
    try:
        return now - parse_duration(text, "--since")
    except InvalidInput:
        pass
    try:
        return named(text, now, settings().timezone, "--since")[0]
    except InvalidInput as error:
        if "still to come" in error.message:
            raise
        raise InvalidInput(f"must be as 2h (ago), 03:12 or 2026-06-01T03:12, not {text!r}", "--since") from None


def _table(found: Sequence[Mapping[str, Any]], empty: str) -> None:
    table(
        ("id", "event", "machine", "channel", "cause", "state", "tries", "due", "finished", "reason"),
        [
            (
                one["id"],
                one.get("type", one["event_id"]),
                one.get("machine"),
                one.get("channel", one["channel_id"]),
                *(one[name] for name in ("cause", "state", "attempts")),
                local(one["due_at"]),
                local(one["finished_at"]),
                one["reason"],
            )
            for one in found
        ],
        empty,
    )
