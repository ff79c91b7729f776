"""`lastseen sources`: brokers that machines report through. A running server follows what is changed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from lastseen.cli.options import UsageError, naming, spread
from lastseen.cli.output import Json, answer, facts, local, print_json, table
from lastseen.cli.session import call
from lastseen.cli.source_options import SourceOptions, flag_of

app = typer.Typer(help="Brokers that machines report through.", no_args_is_help=True)
add = typer.Typer(help="Add a source, by its kind.", no_args_is_help=True)
app.add_typer(add, name="add")

STRANGER = ("kind", "name", "heard", "first_at", "last_at", "detail")
TIMES = {"first_at", "last_at", "blind_since"}
FIRST = ("id", "name", "kind", "hears", "blind_since")
"""Of what is shown; its options come after it."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is called here.")]


@add.callback()
def _kinds() -> None:
    """Add a source, by its kind."""


@add.command("mqtt")
@spread
def add_mqtt(name: Name, given: SourceOptions, as_json: Json = False) -> None:
    """Listen to an MQTT broker. Its presets are in docs/mqtt.md."""
    if not given.url:
        raise typer.BadParameter("must be given: mqtt://host[:port] or mqtts://host[:port]", param_hint="--url")
    from lastseen.manage import sources

    with naming(_flag):
        made = call(sources.add, name, given.said())
    text = f"{made['name']} is source {made['id']}. What it hears: lastseen sources show {made['name']}"
    answer(as_json, made, text)


@app.command("set")
@spread
def set_(name: Name, given: SourceOptions, as_json: Json = False) -> None:
    """Change what is given; an empty text takes an option back, an empty --user the password too."""
    if given == SourceOptions():
        raise UsageError("say what to change")

    from lastseen.manage import sources

    with naming(_flag):
        changed = call(sources.change, name, given.said())
    answer(as_json, changed, f"{changed['name']} is changed")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List sources, and whether they hear."""

    from lastseen.manage import sources

    found = call(sources.listed)
    if as_json:
        print_json(found)
        return
    head = ("id", "source", "kind", "hears", "broker", "topics", "why not")
    rows = [
        (row["id"], row["name"], row["kind"], row["hears"], row.get("url"), _topics(row), _why(row)) for row in found
    ]
    table(head, rows, "No sources: no server ever ran here.")


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show a source, how it fares, and what it hears that no machine has."""

    from lastseen.manage import sources

    shown = call(sources.show, name)
    if as_json:
        print_json(shown)
        return
    why, strangers = _why(shown), shown.pop("strangers")
    del shown["blind_reason"]
    fields = [*FIRST, *(field for field in shown if field not in FIRST)]
    pairs = [(field.replace("_", " "), local(shown[field]) if field in TIMES else shown[field]) for field in fields]
    facts([*pairs, ("why", why)])
    if strangers:
        typer.echo("\nWhat it could not place:\n")
        rows = [tuple(local(one[field]) if field in TIMES else one[field] for field in STRANGER) for one in strangers]
        table(("what", "name", "heard", "first", "last", "why"), rows, "")


@app.command()
def pause(name: Name, as_json: Json = False) -> None:
    """Listen to it no more for now. Meanwhile nobody who was heard on it is found silent."""
    from lastseen.manage import sources

    done = call(sources.switch, name, False)
    answer(as_json, done, f"{done['name']} is paused")


@app.command()
def resume(name: Name, as_json: Json = False) -> None:
    """Listen to it again."""
    from lastseen.manage import sources

    done = call(sources.switch, name, True)
    answer(as_json, done, f"{done['name']} is listened to")


@app.command("test")
def try_(name: Name, as_json: Json = False) -> None:
    """Look in at its broker, now: exit code 1 when it cannot be heard."""
    from lastseen.manage import source_test

    tried = call(source_test.test, name)
    if as_json:
        print_json(tried)
    elif tried["ok"]:
        rows = [(one["topic"], one["messages"]) for one in tried["heard"]]
        table(("topic", "messages"), rows, "The broker is there. Nothing was heard on it meanwhile.")
    else:
        typer.echo(f"{name} cannot be heard: {tried['detail']}", err=True)
    if not tried["ok"]:
        raise typer.Exit(1)


@app.command()
def remove(name: Name, as_json: Json = False) -> None:
    """Listen to it no more, and forget what it calls machines; the machines and their history stay."""

    from lastseen.manage import sources

    gone = call(sources.remove, name)
    answer(as_json, gone, f"{gone['name']} is removed")


def _flag(field: str) -> str:
    return "NAME" if field == "name" else flag_of(field)


def _why(source: Mapping[str, Any]) -> str:
    """Why it hears nobody, as people read it; nothing if it does."""
    from lastseen.model import BlindReason
    from lastseen.monitor.story_words import BLIND

    if source["blind_reason"]:
        return BLIND[BlindReason(source["blind_reason"])]
    return "" if source["hears"] else "no server listens to it"


def _topics(row: Mapping[str, Any]) -> str:
    return " ".join([*row.get("presets", ()), *row.get("bind", ())])
