"""`lastseen notifications`: who was told what, and who was not."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.events import Limit
from lastseen.cli.options import UsageError
from lastseen.cli.output import Json, local, print_json, table
from lastseen.cli.session import call, do, settings
from lastseen.clock import SystemClock
from lastseen.durations import parse_duration
from lastseen.errors import InvalidInput
from lastseen.model.words import NotificationState

if TYPE_CHECKING:
    from lastseen.manage.office import Office
    from lastseen.model.story import GivenUp, Which

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

    async def look(office: Office) -> tuple[Which, GivenUp]:
        those = await notifications.which(office, channel, machine, _since(since))
        return those, await notifications.given_up(office, those, SHOWN)

    those, found = do(look)
    made: Sequence[Mapping[str, Any]] = []
    if found.count and not dry_run:
        _confirm(found.count, yes, as_json)
        made = do(lambda office: notifications.replay_dead(office, those, found.count))
    if as_json:
        print_json(_value(found, made, dry_run))
    else:
        _table(found.rows if dry_run else made[:SHOWN], "Nothing is to be told again.")
        typer.echo(_summary(found, len(made), dry_run))


def _confirm(count: int, yes: bool, as_json: bool) -> None:
    """Raises InvalidInput where nobody can be asked."""
    if yes or count <= MANY:
        return
    if as_json or not sys.stdin.isatty():
        raise InvalidInput(f"{count} would be told again: add --yes if that is meant, --dry-run lists them", "--yes")
    typer.confirm(f"Tell {count} notifications again?", abort=True)


def _value(found: GivenUp, made: Sequence[Mapping[str, Any]], dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "found": found.count,
        "replayed": len(made),
        "again": found.again,
        "off": found.off,
        "notifications": [dict(one) for one in (found.rows if dry_run else made)],
    }


def _summary(found: GivenUp, made: int, dry_run: bool) -> str:
    parts = [f"{found.count} would be told again." if dry_run else f"{made} are told again."]
    if found.again:
        parts.append(f"{found.again} left out: told since, or about to be.")
    if found.off:
        parts.append(f"{found.off} left out: the channel is off or gone (`lastseen channels enable NAME`).")
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
