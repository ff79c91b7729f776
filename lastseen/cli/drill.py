"""`lastseen drill`: does an alarm get through, and how fast?"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.output import Json, print_json, rfc3339, table
from lastseen.cli.session import ask, settings
from lastseen.durations import parse_duration, spell
from lastseen.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from lastseen.cli.drill_stage import Drill, Event, Say, Told

LONGEST = timedelta(minutes=5)
"""Whoever waits longer for an alarm has learned enough."""


def drill(
    channel: Annotated[
        list[str] | None, typer.Option(help="Only this channel, by name or id; may be given several times.")
    ] = None,
    timeout: Annotated[str, typer.Option(help="How long each message may take to arrive, at most 5m.")] = "2m",
    tag: Annotated[list[str] | None, typer.Option(help="A tag for the canary, for channels that want some.")] = None,
    as_json: Json = False,
) -> None:
    """A machine really falls silent and comes back: who is told, and how fast? Needs a server that runs.

    The messages say that they are of a drill. Exit code 1 when a channel was not reached.
    """
    within = parse_duration(timeout, "--timeout")
    if within > LONGEST:
        raise InvalidInput(f"must be at most {spell(LONGEST)}", "--timeout")
    url = _server()
    result = ask(lambda monitor: _hold(monitor, url, channel or [], within, tag or [], _quiet if as_json else _Aloud()))
    if as_json:
        print_json(described(result))
    else:
        _print(result)
    if not result.ok:
        raise typer.Exit(1)


def _server() -> str:
    """Where the server listens that runs on the configured database. Of several nodes: where people reach them."""
    from lastseen.datadir import database_file, served_at, served_by

    given = settings()
    file = database_file(given.database)
    if file is None:
        here = "127.0.0.1" if given.host in ("0.0.0.0", "::") else given.host  # noqa: S104  (compared, not bound)
        return str(given.public_url or f"http://{here}:{given.port}").rstrip("/")
    url = served_at(file) if served_by(file)[0] is not False else None
    if url is None:
        raise ConfigurationError(
            "no server runs on this database, and a drill is to try the one that does: `lastseen serve`"
        )
    return url


async def _hold(monitor: Any, url: str, names: list[str], within: timedelta, tags: list[str], say: Say) -> Drill:
    from lastseen.cli.drill_stage import Drill, chosen, sweep_up

    channels = await chosen(monitor, names)
    await sweep_up(monitor)
    held = Drill(monitor, url, channels, bool(names), within, {"tags": tags} if tags else {})
    with _stoppable():
        await held.run(say)
    return held


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM unwind what is done within, so that the canary is removed; a second one ends the process."""
    import asyncio

    from lastseen.cli.drill_stage import DrillFailed

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101
    stopped: list[int] = []

    def stop(number: int) -> None:
        if stopped:
            os._exit(128 + number)
        stopped.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop, number)
    try:
        yield
    except asyncio.CancelledError:
        if not stopped:
            raise
        raise DrillFailed(f"stopped by {signal.Signals(stopped[0]).name}; the canary is removed") from None


def _quiet(style: str, text: str) -> None:
    """For programs."""


class _Aloud:
    """A line for each thing that happens, with the seconds since the beginning."""

    def __init__(self) -> None:
        from rich.console import Console

        from lastseen.clock import SystemClock

        self._clock = SystemClock()
        self._began = self._clock.monotonic()
        self._out = Console(highlight=False, width=None if sys.stdout.isatty() else 400)

    def __call__(self, style: str, text: str) -> None:
        from rich.text import Text

        from lastseen.cli.output import printable

        passed = f"{self._clock.monotonic() - self._began:5.1f} s  "
        self._out.print(Text.assemble((passed, "dim"), (printable(text), style)))


def described(held: Drill) -> dict[str, Any]:
    """What `--json` prints. Times in UTC, spans in seconds."""
    return {
        "ok": held.ok,
        "machine": held.slug,
        "alert": _event(held.alert),
        "recovery": _event(held.recovery),
        "channels": [
            {
                "id": result.channel.id,
                "name": result.channel.name,
                "type": result.channel.type,
                "ok": result.ok,
                "wanted": not result.left_out,
                "alert": _told(result.alert),
                "recovery": _told(result.recovery),
            }
            for result in held.results
        ],
    }


def _event(event: Event | None) -> dict[str, Any] | None:
    return None if event is None else {"id": event.id, "at": rfc3339(event.at), "late_seconds": round(event.late, 3)}


def _told(told: Told) -> dict[str, Any]:
    return {"state": told.state, "reason": told.reason, "at": told.at, "seconds": told.seconds}


def _print(held: Drill) -> None:
    typer.echo()
    table(
        ("channel", "type", "alert", "recovery", "why not"),
        [
            (r.channel.name, r.channel.type, _short(r.alert), _short(r.recovery), _why(r.alert) or _why(r.recovery))
            for r in held.results
        ],
        "",
    )
    typer.echo()
    left_out = sum(result.left_out for result in held.results)
    reached = sum(result.ok for result in held.results)
    typer.echo(f"{reached} of {len(held.results) - left_out} channels were reached. The canary is removed.")


def _short(told: Told) -> str:
    return f"{told.seconds:.1f} s" if told.ok and told.seconds is not None else told.state


def _why(told: Told) -> str:
    return "" if told.ok or told.state == "none" else told.reason or "the time was over"
