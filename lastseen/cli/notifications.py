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
from lastseen.cli.session import LARGEST_ID, ask, find_machine, settings
from lastseen.durations import parse_duration
from lastseen.errors import ConfigurationError, InvalidInput, NotFound
from lastseen.model.words import NotificationState

if TYPE_CHECKING:
    from lastseen.model.story import GivenUp, Which

app = typer.Typer(help="Who was told what, and who was not.", no_args_is_help=True)

MANY = 10
"""More than so many are told again only by who says that it is meant."""

AT_ONCE = 500
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

    async def work(monitor: Any) -> list[Mapping[str, Any]]:
        which = await _which(monitor, channel, machine, since)
        return list(await _replays(monitor).told(which, state, limit))

    found = ask(work)
    chosen = state or channel or machine or since
    if as_json:
        print_json([dict(one) for one in found])
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
    async def work(monitor: Any) -> Mapping[str, Any]:
        made: Mapping[str, Any] = await monitor.store.replay(await _id(monitor, notification), monitor.clock.now())
        return made

    made = ask(work)
    if as_json:
        print_json(dict(made))
    else:
        _table([made], "")


def _replay_dead(filters: tuple[str | None, str | None, str | None], dry_run: bool, yes: bool, as_json: bool) -> None:
    async def look(monitor: Any) -> tuple[Which, GivenUp]:
        which = await _which(monitor, *filters)
        return which, await _replays(monitor).given_up(which, SHOWN)

    which, found = ask(look)
    made: list[Mapping[str, Any]] = []
    if found.count and not dry_run:
        _confirm(found.count, yes, as_json)

        async def work(monitor: Any) -> list[Mapping[str, Any]]:
            done: list[Mapping[str, Any]] = []
            while len(done) < found.count:
                some = await monitor.store.replay_dead(
                    which, monitor.clock.now(), min(AT_ONCE, found.count - len(done))
                )
                if not some:
                    break
                done += some
            return done

        made = ask(work)
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


# -- which


async def _which(monitor: Any, channel: str | None, machine: str | None, since: str | None) -> Which:
    """Raises UnknownMachine, InvalidInput."""
    from lastseen.model.story import Which

    ref = None if machine is None else (await find_machine(monitor, machine)).machine.id
    return Which(channel, ref, None if since is None else _since(since, monitor.clock.now()))


def _since(text: str, now: datetime) -> datetime:
    """`2h`, as long ago, or a moment."""
    from lastseen.monitor.moment import named

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


def _replays(monitor: Any) -> Any:
    from lastseen.protocols import Replays

    if not isinstance(monitor.store, Replays):
        raise ConfigurationError("this store does not list what was told")
    return monitor.store


async def _id(monitor: Any, text: str) -> int:
    if text.isascii() and text.isdigit():
        return min(int(text), LARGEST_ID)
    for one in await monitor.store.notifications(None, 10_000):
        if one["uid"] == text:
            return int(one["id"])
    raise NotFound(f"no notification {text!r} among the newest 10,000: see `lastseen notifications list`")


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
