"""`lastseen machines`: what is watched."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli import jobs
from lastseen.cli.addresses import NONE, addresses, addresses_of, new_addresses
from lastseen.cli.machine_options import MachineOptions, flag_of
from lastseen.cli.options import UsageError, naming, spread
from lastseen.cli.output import Json, answer, facts, local, print_json, seconds, table
from lastseen.cli.session import ask, find_machine
from lastseen.clock import rfc3339
from lastseen.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from lastseen.model import Standing

app = typer.Typer(help="What is watched: add, change, list, pause, remove.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(metavar="SLUG-OR-ID", help="The machine.")]


def describe(
    monitor: Any, standing: Standing, now: datetime, urls: Mapping[int, Mapping[str, str | None]]
) -> dict[str, Any]:
    """The object that `list`, `show` and `set` print."""
    machine, status = standing.machine, monitor.described(standing, now)
    return {
        **status.as_dict(),
        "acknowledged_by": status.acknowledged_by,
        "acknowledged_at": rfc3339(status.acknowledged_at),
        "hostname": machine.hostname,
        "description": machine.description,
        "kind": machine.kind,
        "tags": list(machine.tags),
        "enabled": machine.enabled,
        **jobs.described(machine),
        **urls.get(machine.id, NONE),
    }


async def _shown(monitor: Any, ref: str) -> dict[str, Any]:
    standing = await find_machine(monitor, ref)
    await monitor.name_sources([standing])
    urls = {standing.machine.id: await addresses_of(monitor, standing.machine.id)}
    described = describe(monitor, standing, monitor.clock.now(), urls)
    return {**described, **await jobs.details(monitor, standing.machine)}


async def _with_key(monitor: Any, standing: Standing, replaces: bool) -> dict[str, Any]:
    from lastseen.ingest.auth import new_key

    key = new_key("machine")
    await monitor.store.add_key(
        "machine",
        key.digest,
        key.hint,
        monitor.clock.now(),
        machine_id=standing.machine.id,
        replaces=replaces,
    )
    return _keyed(standing, key.text, await addresses_of(monitor, standing.machine.id))


def _keyed(standing: Standing, key: str | None, urls: Mapping[str, str | None]) -> dict[str, Any]:
    machine = standing.machine
    return {"id": machine.id, "slug": machine.slug, "name": machine.name, "key": key, **urls}


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
    as_json: Json = False,
) -> None:
    """Add a machine and print its key, this once."""
    said = given.changes()
    _check_slug(slug)

    async def work(monitor: Any) -> dict[str, Any]:
        try:
            jobs.check_coming(said, monitor.clock.now())
            await monitor.watch(slug, expect="new", **jobs.with_zone(said))
        except Conflict:
            known = await monitor.store.liveness([slug])
            if not if_missing or slug not in known:
                raise
            return _keyed(known[slug], None, await addresses_of(monitor, known[slug].machine.id))
        known = await monitor.store.liveness([slug])
        return await _with_key(monitor, known[slug], replaces=False)

    with naming(flag_of):
        made = ask(work)
    if made["key"] is None and not as_json:
        typer.echo(f"{slug} is there already. A new key: lastseen machines rotate-key {slug}")
        return
    _print_key(made, as_json, f"{slug} is watched from its first heartbeat on. Its key:")


def _check_slug(slug: str) -> None:
    """Raises InvalidInput that says how a machine gets a name which is no slug."""
    from lastseen.model.names import SLUG, slugify

    if not SLUG.fullmatch(slug):
        how = f"lastseen machines add {slugify(slug) or 'web-1'} --name {shlex.quote(slug)}"
        message = f"must be 1 to 200 of A-Z a-z 0-9 . _ : -, not {slug!r}; its name may be anything: {how}"
        raise InvalidInput(message, "SLUG")


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

    async def work(monitor: Any) -> dict[str, Any]:
        standing = await find_machine(monitor, machine)
        jobs.check_coming(said, monitor.clock.now())
        await monitor.watch(standing.machine.id, expect="known", **jobs.with_zone(said, standing.machine))
        return await _shown(monitor, machine)

    with naming(flag_of):
        changed = ask(work)
    _print_machine(changed, as_json)


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    group: Annotated[str | None, typer.Option(help="Only in this group.")] = None,
    as_json: Json = False,
) -> None:
    """List machines with their status."""

    async def work(monitor: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := await monitor.store.machines(found[-1]["id"] if found else 0, 1000, kind, group):
            now = monitor.clock.now()
            await monitor.name_sources(page)
            urls = await addresses(monitor, [standing.machine.id for standing in page] if as_json else [])
            found += [describe(monitor, standing, now, urls) for standing in page]
        return found

    machines = ask(work)
    if as_json:
        print_json(machines)
        return
    table(
        ("id", "machine", "status", "last heartbeat", "limit", "kind", "group", "tags"),
        [
            (m["id"], m["slug"], _seen(m), _local(m["last_seen"]), _expected(m), m["kind"], m["group"], m["tags"])
            for m in machines
        ],
        "No machines yet. The first: lastseen machines add NAME" if not (kind or group) else "No machines like that.",
    )


@app.command()
def show(machine: Ref, as_json: Json = False) -> None:
    """Show one machine."""

    async def work(monitor: Any) -> dict[str, Any]:
        return await _shown(monitor, machine)

    _print_machine(ask(work), as_json)


@app.command("rotate-key")
def rotate_key(machine: Ref, as_json: Json = False) -> None:
    """Print a new key. The old one stays valid until the new one is first used, at most 7 days."""

    async def work(monitor: Any) -> dict[str, Any]:
        return await _with_key(monitor, await find_machine(monitor, machine), replaces=True)

    _print_key(ask(work), as_json, "The new key (the old one works until this one is first used, at most 7 days):")


@app.command("new-addresses")
def new_addresses_of(machine: Ref, as_json: Json = False) -> None:
    """Make new ping and push addresses; the old ones are worthless at once."""

    async def work(monitor: Any) -> dict[str, Any]:
        standing = await find_machine(monitor, machine)
        await new_addresses(monitor, standing.machine.id)
        return await _shown(monitor, str(standing.machine.id))

    _print_machine(ask(work), as_json)


def _order(machine: str, verb: str, as_json: bool, **arguments: Any) -> None:
    async def work(monitor: Any) -> dict[str, Any]:
        standing = await find_machine(monitor, machine)
        await getattr(monitor, verb)(standing.machine.id, **arguments)
        return await _shown(monitor, str(standing.machine.id))

    shown = ask(work)
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

    async def work(monitor: Any) -> dict[str, Any]:
        standing = await find_machine(monitor, machine)
        await monitor.forget(standing.machine.id)
        return {"id": standing.machine.id, "slug": standing.machine.slug, "removed": True}

    gone = ask(work)
    answer(as_json, gone, f"{gone['slug']} is removed; its history stays.")


def _status(shown: dict[str, Any]) -> str:
    if not shown["enabled"]:
        return "disabled"
    status = "late" if shown["late"] else str(shown["status"])
    return f"{status}, flapping" if shown["flapping_since"] else status


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
            ("status", f"{_status(shown)} since {_local(shown['status_since'])}"),
            ("last heartbeat", _local(shown["last_seen"])),
            ("limit", _limit(shown) if shown["schedule"] is None else None),
            *jobs.facts_of(shown),
            ("told at", _local(shown["notified_at"])),
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
