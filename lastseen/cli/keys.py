"""`lastseen keys`: keys for programs that use the API, for fleets, and for pings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from lastseen.cli.output import Json, answer, print_json, rfc3339, table
from lastseen.cli.session import LARGEST_ID, ask
from lastseen.durations import parse_duration
from lastseen.errors import InvalidInput, NotFound

app = typer.Typer(help="Keys for programs: for the API, for fleets, and for pings.", no_args_is_help=True)
add = typer.Typer(help="Make a key; it is printed this once.", no_args_is_help=True)
app.add_typer(add, name="add")

Label = Annotated[str, typer.Option(help="What it is for.")]
Expires = Annotated[str | None, typer.Option(help="How long it is valid, such as 90d; else until revoked.")]
KindName = Annotated[str | None, typer.Option("--kind", help="The kind of the machines that it makes.")]
Group = Annotated[str | None, typer.Option(help="Where they stand.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag of theirs; may be given several times.")]


@add.callback()
def _scopes() -> None:
    """Make a key; it is printed this once."""


@add.command("api")
def add_api(label: Label = "", expires: Expires = None, as_json: Json = False) -> None:
    """A key that may read the status of every machine."""
    _add("api", label, expires, {}, as_json)


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


def _add(scope: str, label: str, expires: str | None, defaults: Mapping[str, Any], as_json: bool) -> None:
    span = None if expires is None else parse_duration(expires, "--expires")
    said = {name: value for name, value in defaults.items() if value}

    async def work(monitor: Any) -> dict[str, Any]:
        from lastseen.ingest.auth import new_key
        from lastseen.monitor.changes import checked

        made = {**said, **checked({name: value for name, value in said.items() if name != "may_create"})}
        await _kind_is_there(monitor, made.get("kind"))
        key, now = new_key(scope), monitor.clock.now()
        added = await monitor.store.add_key(
            scope,
            key.digest,
            key.hint,
            now,
            label=label,
            expires_at=None if span is None else now + span,
            defaults=made,
            shown=key.text if scope == "ping" else None,
        )
        return {"id": added.id, "scope": added.scope, "label": added.label, "key": key.text}

    made = ask(work)
    if as_json:
        print_json(made)
        return
    again = "; `lastseen keys list --show` shows it again" if scope == "ping" else ", shown this once"
    typer.echo(f"Key {made['id']}{again}:\n\n    {made['key']}\n")


async def _kind_is_there(monitor: Any, kind: str | None) -> None:
    if kind is not None and kind not in {known.name for known in await monitor.store.kinds()}:
        raise InvalidInput(f"there is no kind {kind!r}: make it with `lastseen kinds set`", "--kind")


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
        "defaults": dict(key.defaults),
    }


def _table(keys: list[Any], texts: Mapping[int, str] | None, slugs: Mapping[int, str]) -> None:
    """`texts`: what is shown of keys whose text is known; `slugs`: of the machines that are there, by id."""
    what = "begins with" if texts is None else "key"
    table(
        ("id", "scope", what, "machine", "label", "made", "first used", "expires", "revoked"),
        [
            (
                *(
                    k.id,
                    k.scope,
                    k.hint if texts is None else texts.get(k.id, k.hint + "…"),
                    slugs.get(k.machine_id),
                    k.label,
                ),
                *(k.created_at, k.first_used_at, k.expires_at, k.revoked_at),
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

    async def work(monitor: Any) -> tuple[list[Any], dict[int, str] | None, dict[int, str]]:
        keys = list(await monitor.store.keys())
        texts = {key.id: key.text for key in await monitor.store.shown_keys()} if show else None
        whose = await monitor.store.liveness(sorted({key.machine_id for key in keys if key.machine_id is not None}))
        return keys, texts, {machine: standing.machine.slug for machine, standing in whose.items()}

    keys, texts, slugs = ask(work)
    if as_json:
        more = {} if texts is None else texts
        print_json([_describe(key) | ({"key": more.get(key.id)} if show else {}) for key in keys])
    else:
        _table(keys, texts, slugs)


@app.command()
def revoke(key: Annotated[int, typer.Argument(metavar="ID", min=1, help="Its id.")], as_json: Json = False) -> None:
    """Make a key worthless, at once."""
    if key > LARGEST_ID:
        raise NotFound(f"no key {key}: see `lastseen keys list`")

    async def work(monitor: Any) -> Any:
        return await monitor.store.revoke_key(key, monitor.clock.now())

    revoked = ask(work)
    answer(as_json, _describe(revoked), f"Key {revoked.id} is revoked.")
