"""`lastseen keys`: keys for programs that use the API, for fleets, and for pings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from lastseen.cli.options import naming
from lastseen.cli.output import Json, answer, local, print_json, table
from lastseen.cli.session import call
from lastseen.durations import parse_duration

app = typer.Typer(help="Keys for programs: for the API, for fleets, and for pings.", no_args_is_help=True)
add = typer.Typer(help="Make a key; it is printed this once.", no_args_is_help=True)
app.add_typer(add, name="add")

_FLAGS = ("kind", "group", "may", "user")

Label = Annotated[str, typer.Option(help="What it is for.")]
Expires = Annotated[str | None, typer.Option(help="How long it is valid, such as 90d; else until revoked.")]
KindName = Annotated[str | None, typer.Option("--kind", help="The kind of the machines that it makes.")]
Group = Annotated[str | None, typer.Option(help="Where they stand.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag of theirs; may be given several times.")]


@add.callback()
def _scopes() -> None:
    """Make a key; it is printed this once."""


@add.command("api")
def add_api(
    label: Label = "",
    expires: Expires = None,
    may: Annotated[str, typer.Option(metavar="read|write", help="Only read, or also change things.")] = "read",
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose it is: it may no more than they may; else an operator's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A key for the API. Without --user it sees everything, and with --may write changes everything."""
    _add("api", label, expires, {}, as_json, may=may, user=user)


@add.command("fleet")
def add_fleet(
    label: Label = "",
    expires: Expires = None,
    may_create: Annotated[bool, typer.Option("--may-create", help="Make the machines that are not there.")] = False,
    kind: KindName = None,
    group: Group = None,
    tag: Tags = None,
    as_json: Json = False,
) -> None:
    """A key that reports for many machines, at /api/v1/heartbeats."""
    _add("fleet", label, expires, {"may_create": may_create, "kind": kind, "group": group, "tags": tag}, as_json)


@add.command("ping")
def add_ping(
    label: Label = "",
    expires: Expires = None,
    may_create: Annotated[
        bool, typer.Option("--may-create/--may-not-create", help="Make machines where a ping says create=1.")
    ] = True,
    kind: KindName = None,
    group: Group = None,
    tag: Tags = None,
    as_json: Json = False,
) -> None:
    """A ping key as Healthchecks has them: it pings any machine by its slug, at /ping/KEY/SLUG."""
    _add("ping", label, expires, {"may_create": may_create, "kind": kind, "group": group, "tags": tag}, as_json)


def _add(
    scope: str, label: str, expires: str | None, defaults: Mapping[str, Any], as_json: bool, **whose: str | None
) -> None:
    from lastseen.manage import keys

    span = None if expires is None else parse_duration(expires, "--expires")
    with naming(lambda field: {"tags": "--tag"}.get(field, f"--{field}" if field in _FLAGS else field)):
        made = call(keys.add, scope, label, span, defaults, **whose)
    if as_json:
        print_json(made)
        return
    again = "; `lastseen keys list --show` shows it again" if scope == "ping" else ", shown this once"
    typer.echo(f"Key {made['id']}{again}:\n\n    {made['key']}\n")
    if until := made.get("expires_at"):
        typer.echo(f"It is valid until {local(until)}.")


_TIMES = ("created_at", "first_used_at", "last_used_at", "expires_at", "revoked_at")


def _table(keys: list[dict[str, Any]], show: bool) -> None:
    table(
        (
            "id",
            "scope",
            "key" if show else "begins with",
            "machine",
            "may",
            "user",
            "label",
            "made",
            "first used",
            "last used",
            "expires",
            "revoked",
        ),
        [
            (
                *(
                    k["id"],
                    k["scope"],
                    k["hint"] if not show else k["key"] or f"{k['hint']}…",
                    k["machine"],
                    k["may"],
                    k["user"],
                    k["label"],
                ),
                *(k[name] and local(k[name]) for name in _TIMES),
            )
            for k in keys
        ],
        "No keys.",
    )


@app.command("list")
def list_(
    show: Annotated[bool, typer.Option("--show", help="With the text of ping keys: they are secrets.")] = False,
    as_json: Json = False,
) -> None:
    """List keys by their first characters. Only the text of ping keys is stored, encrypted; --show prints it."""

    from lastseen.manage import keys

    found = call(keys.listed, show=show)
    if as_json:
        print_json(found)
    else:
        _table(found, show)


@app.command()
def revoke(key: Annotated[int, typer.Argument(metavar="ID", min=1, help="Its id.")], as_json: Json = False) -> None:
    """Make a key worthless, at once."""
    from lastseen.manage import keys

    revoked = call(keys.revoke, key)
    answer(as_json, revoked, f"Key {revoked['id']} is revoked.")
