"""`lastseen notifications`: who was told what, and who was not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from lastseen.cli.events import Limit
from lastseen.cli.output import Json, local, print_json, table
from lastseen.cli.session import LARGEST_ID, ask
from lastseen.errors import NotFound
from lastseen.model.words import NotificationState

app = typer.Typer(help="Who was told what, and who was not.", no_args_is_help=True)


@app.command("list")
def list_(
    state: Annotated[NotificationState | None, typer.Option(help="Only in this state.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List notifications, newest first. `uid` is the `webhook-id` that receivers see."""

    async def work(monitor: Any) -> list[Mapping[str, Any]]:
        return list(await monitor.store.notifications(state, limit))

    found = ask(work)
    if as_json:
        print_json([dict(one) for one in found])
    else:
        _table(found, "No notifications." if state is None else "None of them is in this state.")


@app.command()
def replay(
    notification: Annotated[str, typer.Argument(metavar="ID-OR-UID", help="Which one.")],
    as_json: Json = False,
) -> None:
    """Tell it again: a new notification of the same event for the same channel."""

    async def work(monitor: Any) -> Mapping[str, Any]:
        made: Mapping[str, Any] = await monitor.store.replay(await _id(monitor, notification), monitor.clock.now())
        return made

    made = ask(work)
    if as_json:
        print_json(dict(made))
    else:
        _table([made], "")


async def _id(monitor: Any, text: str) -> int:
    if text.isascii() and text.isdigit():
        return min(int(text), LARGEST_ID)
    for one in await monitor.store.notifications(None, 10_000):
        if one["uid"] == text:
            return int(one["id"])
    raise NotFound(f"no notification {text!r} among the newest 10,000: see `lastseen notifications list`")


def _table(found: list[Mapping[str, Any]], empty: str) -> None:
    table(
        ("id", "event", "channel", "cause", "state", "tries", "due", "finished", "reason"),
        [
            (
                *(one[name] for name in ("id", "event_id", "channel_id", "cause", "state", "attempts")),
                local(one["due_at"]),
                local(one["finished_at"]),
                one["reason"],
            )
            for one in found
        ],
        empty,
    )
