"""`lastseen machines`: what is watched."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from lastseen.cli import jobs
from lastseen.cli.advice import advice
from lastseen.cli.machine_options import MachineOptions, flag_of
from lastseen.cli.options import UsageError, group_typed, naming, spread
from lastseen.cli.output import Json, answer, facts, local, print_json, seconds, since_of, status_word, table
from lastseen.cli.secret_file import secret_file
from lastseen.cli.session import call
from lastseen.errors import InvalidInput

app = typer.Typer(help="What is watched: add, change, list, pause, remove.", no_args_is_help=True)
app.command("advice")(advice)

Ref = Annotated[str, typer.Argument(metavar="SLUG-OR-ID", help="The machine.")]


def _print_key(made: dict[str, Any], as_json: bool, text: str) -> None:
    if as_json:
        print_json(made)
        return
    typer.echo(f"{text}\n\n    {made['key']}\n\nIt is shown this once: put it into a file that only its agent reads.")


@app.command()
@spread
def add(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Its stable name: 1 to 200 of A-Z a-z 0-9 . _ : -")],
    given: MachineOptions,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Change nothing when it is there.")] = False,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", metavar="FILE", help="Write the key there instead; FILE is new.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a machine and print its key, this once."""
    from lastseen.manage import machines

    with naming(flag_of), _saying_how(slug), secret_file(key_file, "key_file") as write:
        made = call(machines.add, slug, given.changes(), if_missing=if_missing)
        if key_file is not None and made["key"] is not None:
            write(made["key"])
            made = {**made, "key": None, "key_file": str(key_file)}
    if "key_file" in made:
        answer(as_json, made, f"{slug} is watched from its first heartbeat on. Its key is in {key_file}.")
        return
    if made["key"] is None and not as_json:
        typer.echo(f"{slug} is there already. A new key: lastseen machines rotate-key {slug}")
        return
    _print_key(made, as_json, f"{slug} is watched from its first heartbeat on. Its key:")


@contextmanager
def _saying_how(slug: str) -> Iterator[None]:
    """How a machine gets a name which is no slug, where that is wrong."""
    from lastseen.model.names import slugify

    try:
        yield
    except InvalidInput as error:
        how = f"; its name may be anything: lastseen machines add {slugify(slug) or 'web-1'} --name {shlex.quote(slug)}"
        first, *others = [
            InvalidInput(f"{one.message}{how}" if one.field == "slug" else one.message, one.field)
            for one in (error, *error.others)
        ]
        raise InvalidInput(first.message, first.field, others) from None


@app.command("set")
@spread
def set_(
    machine: Ref,
    given: MachineOptions,
    as_json: Json = False,
) -> None:
    """Change a machine; what is not named stays."""
    said = given.changes()
    if not said:
        raise UsageError("say what to change")

    from lastseen.manage import machines

    with naming(flag_of):
        changed = call(machines.change, machine, said)
    _print_machine(changed, as_json)


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    group: Annotated[str | None, typer.Option(help="Only in this group.", callback=group_typed)] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only with this status, or `late`, `awaited` or `disabled`; may be given several times."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List machines with their status."""

    from lastseen.manage import machines

    if unknown := [one for one in status or () if one not in STATES]:
        raise UsageError(f"--status: must be one of {', '.join(STATES)}, not {unknown[0]!r}")
    found = call(machines.listed, kind, group, urls=as_json)
    if status:
        found = [m for m in found if _state(m) in status]
    if as_json:
        print_json(found)
        return
    table(
        ("id", "machine", "status", "last heartbeat", "limit", "kind", "group", "tags"),
        [
            (m["id"], m["slug"], _seen(m), _local(m["last_seen"]), _expected(m), m["kind"], m["group"], m["tags"])
            for m in found
        ],
        "No machines yet. The first: lastseen machines add NAME"
        if kind is None and group is None and not status
        else "No machines like that.",
    )


@app.command()
def show(machine: Ref, as_json: Json = False) -> None:
    """Show one machine."""
    from lastseen.manage import machines

    _print_machine(call(machines.show, machine), as_json)


@app.command("rotate-key")
def rotate_key(machine: Ref, as_json: Json = False) -> None:
    """Print a new key. The old one stays valid until the new one is first used, at most 7 days."""

    from lastseen.manage import machines

    made = call(machines.rotate_key, machine)
    _print_key(made, as_json, "The new key (the old one works until this one is first used, at most 7 days):")


@app.command("new-addresses")
def new_addresses_of(machine: Ref, as_json: Json = False) -> None:
    """Make new ping and push addresses; the old ones are worthless at once."""

    from lastseen.manage import machines

    _print_machine(call(machines.renew_addresses, machine), as_json)


def _order(machine: str, verb: str, as_json: bool, **arguments: Any) -> None:
    from lastseen.manage import machines

    shown = call(machines.order, machine, verb, **arguments)
    answer(as_json, shown, f"{shown['slug']} is {_status(shown)}")


@app.command()
def pause(
    machine: Ref,
    until_ping: Annotated[bool, typer.Option("--until-ping", help="A Healthchecks ping may resume it.")] = False,
    as_json: Json = False,
) -> None:
    """Stop watching; heartbeats are still accepted."""
    _order(machine, "pause", as_json, by_hand=not until_ping)


@app.command()
def resume(machine: Ref, as_json: Json = False) -> None:
    """Watch it again, with its full threshold from now."""
    _order(machine, "resume", as_json)


@app.command()
def disable(machine: Ref, as_json: Json = False) -> None:
    """Refuse its key, and stop watching."""
    _order(machine, "disable", as_json)


@app.command()
def enable(machine: Ref, as_json: Json = False) -> None:
    """Accept its key again, and watch it."""
    _order(machine, "enable", as_json)


@app.command()
def remove(machine: Ref, as_json: Json = False) -> None:
    """Remove a machine; its history stays."""

    from lastseen.manage import machines

    gone = call(machines.remove, machine)
    answer(as_json, gone, f"{gone['slug']} is removed; its history stays.")


STATES = ("online", "late", "awaited", "offline", "error", "paused", "disabled", "provisioning")


def _state(shown: dict[str, Any]) -> str:
    if not shown["enabled"]:
        return "disabled"
    return status_word(shown)


def _status(shown: dict[str, Any]) -> str:
    return f"{_state(shown)}, flapping" if shown["flapping_since"] and shown["enabled"] else _state(shown)


def _local(value: str | None) -> str | None:
    return None if value is None else local(value)


def _seen(shown: dict[str, Any]) -> str:
    by = shown["acknowledged_by"]
    return _status(shown) if by is None else f"{_status(shown)}, seen by {by}"


def _acknowledged(shown: dict[str, Any]) -> str | None:
    by = shown["acknowledged_by"]
    return None if by is None else f"by {by}, {_local(shown['acknowledged_at'])}"


def _limit(shown: dict[str, Any]) -> str:
    return seconds(shown["offline_after_seconds"])


def _every(shown: dict[str, Any]) -> str | None:
    """Of a server from before it said this: nobody knows."""
    every = shown.get("every_seconds")
    return None if every is None else seconds(every)


def _expected(shown: dict[str, Any]) -> str:
    return str(shown["schedule"] or _limit(shown))


def _print_machine(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    facts(
        [
            ("machine", f"{shown['slug']} (id {shown['id']})"),
            ("name", shown["name"] if shown["name"] != shown["slug"] else None),
            ("status", f"{_status(shown)} since {_local(since_of(shown))}"),
            ("awaited", "resumed, and not heard since" if shown.get("awaited") else None),
            ("last heartbeat", _local(shown["last_seen"])),
            ("limit", _limit(shown) if shown["schedule"] is None else None),
            ("reports every", _every(shown)),
            *jobs.facts_of(shown),
            ("noticed at", _local(shown["notified_at"])),
            ("acknowledged", _acknowledged(shown)),
            ("hostname", shown["hostname"]),
            ("description", shown["description"]),
            ("kind", shown["kind"]),
            ("group", shown["group"]),
            ("tags", shown["tags"]),
            ("ping address", shown["ping_url"]),
            ("push address", shown["push_url"]),
        ]
    )
    jobs.print_runs(shown)
