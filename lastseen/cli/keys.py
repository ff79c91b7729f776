"""`lastseen keys`: keys for programs that use the API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lastseen.cli.output import Json, print_json, rfc3339, table
from lastseen.cli.session import LARGEST_ID, run, session
from lastseen.durations import parse_duration
from lastseen.errors import NotFound

app = typer.Typer(help="Keys for programs that use the API.", no_args_is_help=True)
add = typer.Typer(help="Make a key; it is printed this once.", no_args_is_help=True)
app.add_typer(add, name="add")


@add.callback()
def _scopes() -> None:
    """Make a key; it is printed this once."""


@add.command("api")
def add_api(
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    expires: Annotated[str | None, typer.Option(help="How long it is valid, such as 90d; else until revoked.")] = None,
    as_json: Json = False,
) -> None:
    """A key that may read the status of every machine."""
    span = None if expires is None else parse_duration(expires, "--expires")

    async def work() -> dict[str, Any]:
        from lastseen.ingest.auth import new_key

        async with session() as monitor:
            key, now = new_key("api"), monitor.clock.now()
            made = await monitor.store.add_key(
                "api", key.digest, key.hint, now, label=label, expires_at=None if span is None else now + span
            )
            return {"id": made.id, "scope": made.scope, "label": made.label, "key": key.text}

    made = run(work)
    if as_json:
        print_json(made)
    else:
        typer.echo(f"Key {made['id']}, shown this once:\n\n    {made['key']}\n")


def _describe(key: Any) -> dict[str, Any]:
    return {
        "id": key.id,
        "scope": key.scope,
        "label": key.label,
        "hint": key.hint,
        "machine_id": key.machine_id,
        "created_at": rfc3339(key.created_at),
        "first_used_at": rfc3339(key.first_used_at),
        "expires_at": rfc3339(key.expires_at),
        "revoked_at": rfc3339(key.revoked_at),
    }


def _table(keys: list[Any]) -> None:
    table(
        ("id", "scope", "begins with", "machine", "label", "made", "first used", "expires", "revoked"),
        [
            (k.id, k.scope, k.hint, k.machine_id, k.label, k.created_at, k.first_used_at, k.expires_at, k.revoked_at)
            for k in keys
        ],
        "No keys.",
    )


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List keys by their first characters; the keys themselves are not stored."""

    async def work() -> list[Any]:
        async with session() as monitor:
            return list(await monitor.store.keys())

    keys = run(work)
    if as_json:
        print_json([_describe(key) for key in keys])
    else:
        _table(keys)


@app.command()
def revoke(key: Annotated[int, typer.Argument(min=1, help="Its id.")], as_json: Json = False) -> None:
    """Make a key worthless, at once."""
    if key > LARGEST_ID:
        raise NotFound(f"no key {key}: see `lastseen keys list`")

    async def work() -> Any:
        async with session() as monitor:
            return await monitor.store.revoke_key(key, monitor.clock.now())

    revoked = run(work)
    if as_json:
        print_json(_describe(revoked))
    else:
        typer.echo(f"Key {revoked.id} is revoked.")
