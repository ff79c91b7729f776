"""`lastseen users`, `lastseen setup-link`, `lastseen audit`: people, how they get in, and what they did."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lastseen.cli.options import naming
from lastseen.cli.output import Json, answer, local, print_json, table
from lastseen.cli.session import call, do

app = typer.Typer(help="People who use the pages and the API.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What they are called; or their id.")]
Role = Annotated[
    str,
    typer.Option(metavar="admin|member|viewer", help="What they may: see docs/people.md."),
]


def _say_link(made: dict[str, Any], text: str) -> None:
    typer.echo(f"{text}\n\n    {made['url']}\n\nIt works once, until {local(made['expires_at'])}.")
    if not made["url"].startswith("http"):
        typer.echo("lastseen: nobody knows yet how the server is reached: set LASTSEEN_PUBLIC_URL", err=True)


def setup_link(as_json: Json = False) -> None:
    """Print a link by which the first admin is made; refused where there is one."""
    from lastseen.manage import people

    made = do(people.setup_link)
    if as_json:
        print_json(made)
    else:
        _say_link(made, "Whoever opens this makes the first admin:")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Who there is."""
    from lastseen.manage import people

    found = call(people.listed)
    if as_json:
        print_json(found)
        return
    rows = [
        (user["id"], user["name"], user["role"], user["has_password"], *(local(user[at]) for at in _TIMES))
        for user in found
    ]
    table(("id", "name", "role", "password", "made", "last in"), rows, "Nobody: `lastseen setup-link` makes the first.")


_TIMES = ("created_at", "last_in_at")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What they log in with: 1 to 200 characters.")],
    role: Role = "member",
    as_json: Json = False,
) -> None:
    """Add somebody, and print the link by which they choose a password."""
    from lastseen.manage import people

    with naming(_flag_of):
        user = call(people.add, name, role)
    made = {**user, **call(people.reset_link, user["name"])}
    if as_json:
        print_json(made)
    else:
        _say_link(made, f"{made['name']} is a user now ({made['role']}). By this link they choose a password:")


@app.command("set")
def set_(name: Name, role: Role, as_json: Json = False) -> None:
    """Let somebody do more, or less. It counts at once."""
    from lastseen.manage import people

    with naming(_flag_of):
        changed = call(people.change, name, role)
    answer(as_json, changed, f"{changed['name']} is {changed['role']} now.")


@app.command()
def remove(name: Name, as_json: Json = False) -> None:
    """Let somebody in no more. Their keys end; their machines are shared, their channels switched off."""
    from lastseen.manage import people

    gone = call(people.remove, name)
    answer(as_json, gone, f"{gone['name']} is no user any more.")


@app.command("reset-password")
def reset_password(name: Name, as_json: Json = False) -> None:
    """Print a link by which somebody chooses a new password. Until then the old one is good."""
    from lastseen.manage import people

    made = call(people.reset_link, name)
    if as_json:
        print_json(made)
    else:
        _say_link(made, f"By this link {made['name']} chooses a new password:")


@app.command()
def sessions(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of this user; else of all.")] = None,
    as_json: Json = False,
) -> None:
    """Who is logged in, from where, and since when."""
    from lastseen.manage import people

    found = call(people.sessions, name)
    if as_json:
        print_json(found)
        return
    columns = ("id", "user", "since", "last used", "until", "address", "browser")
    rows = [
        (one["id"], one["user"], *(local(one[f"{at}_at"]) for at in ("created", "used", "expires")), *_where(one))
        for one in found
    ]
    table(columns, rows, "Nobody is logged in.")


def _where(session: dict[str, Any]) -> tuple[str, str]:
    return session["address"], session["agent"]


@app.command("log-out")
def log_out(
    name: Name,
    session: Annotated[int | None, typer.Option(metavar="ID", min=1, help="This session; else all of theirs.")] = None,
    as_json: Json = False,
) -> None:
    """End somebody's sessions. They may log in again."""
    from lastseen.manage import people

    done = call(people.log_out, name, session)
    answer(as_json, done, f"{done['name']}: {done['ended']} logged out.")


def _flag_of(field: str) -> str:
    return {"name": "NAME", "role": "--role"}.get(field, field)


def audit(
    limit: Annotated[int, typer.Option(help="How many lines.", min=1, max=1000)] = 100,
    subject: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only what was done to this, such as 'machine db-01'.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Only what was done by who is called so.")] = None,
    before: Annotated[int | None, typer.Option(metavar="ID", min=1, help="Only what came before this line.")] = None,
    as_json: Json = False,
) -> None:
    """Who did what, the newest first."""
    from lastseen.manage import deeds

    with naming(lambda field: f"--{field}"):
        found = call(deeds.listed, limit, before, subject, by)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["id"],
            local(one["at"]),
            one["by"],
            one["through"],
            one["address"],
            one["verb"],
            one["subject"],
            _said(one),
        )
        for one in found
    ]
    columns = ("id", "when", "who", "through", "from", "what", "to", "changed")
    table(columns, rows, "Nobody has changed anything.")


def _said(deed: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {_value(value)}" for name, value in deed["changed"].items())


def _value(value: Any) -> str:
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        return f"{_value(value['from'])} → {_value(value['to'])}"
    return "–" if value is None else str(value)
