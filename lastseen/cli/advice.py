"""`lastseen machines advice`: which limit would fit a machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lastseen.cli.options import naming
from lastseen.cli.output import Json, answer, local, print_json, seconds, table
from lastseen.cli.session import call
from lastseen.durations import parse_duration

FLAGS = {"window": "--window", "lasting": "--listen"}


def advice(
    machine: Annotated[str, typer.Argument(metavar="SLUG-OR-ID", help="The machine.")],
    window: Annotated[str, typer.Option(metavar="DURATION", help="How far back, at most 42d.")] = "30d",
    under: Annotated[
        str | None,
        typer.Option("--false-alarms-under", metavar="DURATION", help="Else twice its limit."),
    ] = None,
    limit: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Say what this limit would have made of that time.")
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="Listen to it more closely, some minutes from now, 10m to 30d; no advice yet."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which limit would fit a machine, by how it was heard, and list its false alarms."""
    from lastseen.manage import advice as verbs

    with naming(lambda field: FLAGS.get(field, field)):
        if listen is not None:
            span = parse_duration(listen, "lasting")
            asked = call(verbs.listen, machine, span)
            begins = f"from {local(asked['listening_from'])} " if asked.get("listening_from") else ""
            until = local(asked["listening_until"])
            text = f"{asked['machine']} is listened to {begins}until {until}, while `lastseen serve` runs."
            answer(as_json, asked, text)
            return
        span = parse_duration(window, "window")
        below = None if under is None else parse_duration(under, "--false-alarms-under")
        other = None if limit is None else parse_duration(limit, "--limit")
        found = call(verbs.of_one, machine, window=span, brief_under=below, limit=other)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    for sentence in found["text"]:
        typer.echo(sentence)
    if found["proposed_seconds"] and found["proposed_seconds"] != found["offline_after_seconds"]:
        typer.echo(f"\n    lastseen machines set {found['machine']} --offline-after {found['proposed_seconds']:g}s\n")
    if found.get("listening_from"):  # older servers do not say
        typer.echo(f"It is listened to from {local(found['listening_from'])} on.")
    elif not found["listening_since"]:
        typer.echo(f"It is not its turn now. To listen: lastseen machines advice {found['machine']} --listen 2d")
    if found["newest_false_alarms"]:
        table(
            ("last heard", "heard again", "silent for"),
            [
                (local(one["started_at"]), local(one["ended_at"]), seconds(one["seconds"]))
                for one in found["newest_false_alarms"]
            ],
            "",
        )
