"""`lastseen sources`: brokers that machines report through. A running server follows what is changed here."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lastseen.cli.options import UsageError, naming, spread
from lastseen.cli.output import Json, answer, facts, print_json, table
from lastseen.cli.session import ask, settings
from lastseen.cli.source_options import SourceOptions, flag_of
from lastseen.errors import ConfigurationError, Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from lastseen.model import Source
    from lastseen.model.insight import SourceCheck, Stranger

app = typer.Typer(help="Brokers that machines report through.", no_args_is_help=True)
add = typer.Typer(help="Add a source, by its kind.", no_args_is_help=True)
app.add_typer(add, name="add")

ALIVE = timedelta(seconds=60)
"""A server that listens marks that every 5 s."""

SHOWN_AS = {"kind": "machine_kind"}

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
    config, secrets = given.change({}, {})

    async def work(monitor: Any) -> Source:
        if any(row.name == name for row in await monitor.store.sources()):
            raise Conflict(f"there is a source {name!r} already")
        await _check(monitor, name, config, secrets)
        made: Source = await monitor.store.add_source("mqtt", name, config, secrets, monitor.clock.now())
        return made

    made = ask(work)
    answer(
        as_json, _describe(made), f"{made.name} is source {made.id}. What it hears: lastseen sources show {made.name}"
    )


@app.command("set")
@spread
def set_(name: Name, given: SourceOptions, as_json: Json = False) -> None:
    """Change what is given; an empty text takes an option back, an empty --user the password too."""
    if given == SourceOptions():
        raise UsageError("say what to change")

    async def work(monitor: Any) -> Source:
        row = await _find(monitor, name)
        if row.kind != "mqtt":
            raise ConfigurationError(f"{name} is of kind {_kind(row)} and has no options here: there is nothing to set")
        known = {} if given.password_file else await monitor.store.source_secrets(name)
        config, secrets = given.change(row.config, known)
        await _check(monitor, name, config, secrets)
        changed: Source = await monitor.store.change_source(name, config, None if secrets == known else secrets)
        return changed

    changed = ask(work)
    answer(as_json, _describe(changed), f"{changed.name} is changed")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List sources, and whether they hear."""

    async def work(monitor: Any) -> list[tuple[Source, bool]]:
        now = monitor.clock.now()
        checks = {check.name: check for check in (await monitor.store.checkup(now)).sources}
        return [(row, _hears(checks.get(row.name), now)) for row in await monitor.store.sources()]

    found = ask(work)
    if as_json:
        print_json([{**_describe(row), "hears": hears} for row, hears in found])
        return
    rows = [(row.id, row.name, _kind(row), hears, row.config.get("url"), _topics(row)) for row, hears in found]
    table(("id", "source", "kind", "hears", "broker", "topics"), rows, "No sources: no server ever ran here.")


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show a source, how it fares, and what it hears that no machine has."""

    async def work(monitor: Any) -> tuple[Source, SourceCheck | None, bool]:
        now = monitor.clock.now()
        row = await _find(monitor, name)
        check = next((one for one in (await monitor.store.checkup(now)).sources if one.name == name), None)
        return row, check, _hears(check, now)

    row, check, hears = ask(work)
    strangers = check.strangers if check is not None else ()
    since, reason = (check.blind_since, check.blind_reason) if check is not None else (None, "")
    if as_json:
        more = {"hears": hears, "blind_since": since, "blind_reason": reason or None}
        print_json({**_describe(row), **more, "strangers": [_stranger(one) for one in strangers]})
        return
    pairs = [(field.replace("_", " "), value) for field, value in _describe(row).items()]
    facts([*pairs, ("hears", hears), ("blind since", since), ("why", _words(reason))])
    if strangers:
        typer.echo("\nWhat it could not place:\n")
        rows = [(one.kind, one.name, one.heard, one.first_at, one.last_at, one.detail) for one in strangers]
        table(("what", "name", "heard", "first", "last", "why"), rows, "")


@app.command()
def remove(name: Name, as_json: Json = False) -> None:
    """Listen to it no more, and forget what it calls machines; the machines and their history stay."""

    async def work(monitor: Any) -> Source:
        row = await _find(monitor, name)
        if row.kind == "http":
            raise ConfigurationError(f"{name} is the server's own way in: it cannot be removed")
        parts = [one.name for one in await monitor.store.sources() if one.name.startswith(f"{name}/")]
        for each in (name, *parts):  # what stands behind its bridges goes with it
            await monitor.store.remove_source(each, monitor.clock.now())
        return row

    gone = ask(work)
    answer(as_json, {"id": gone.id, "name": gone.name, "removed": True}, f"{gone.name} is removed")


async def _find(monitor: Any, name: str) -> Source:
    for row in await monitor.store.sources():
        if row.name == name:
            return row  # type: ignore[no-any-return]
    raise NotFound(f"no source {name!r}: see `lastseen sources list`")


async def _check(monitor: Any, name: str, config: dict[str, Any], secrets: dict[str, str]) -> None:
    """Everything is tried but the broker. Raises InvalidInput that names the option."""
    from lastseen.sources import make_way

    if "/" in name or not name.strip():
        raise InvalidInput("must be a name without slashes", "NAME")  # parts of sources are called NAME/PART
    with naming(flag_of):
        make_way(name, config, secrets)
    kind = config.get("kind")
    if kind is not None and kind not in {known.name for known in await monitor.store.kinds()}:
        raise InvalidInput(f"there is no kind {kind!r}: make it with `lastseen kinds set`", "--kind")


def _describe(row: Source) -> dict[str, Any]:
    """`kind` is the source's own; the one of machines that it adds is `machine_kind`."""
    config = {SHOWN_AS.get(field, field): value for field, value in row.config.items()}
    return {"id": row.id, "name": row.name, "kind": _kind(row), **config}


def _kind(row: Source) -> str:
    """Rows that nobody added know no more than that something listens: the broker of the settings, what stands behind
    a bridge (its name is SOURCE/BASE, and no other has a slash), and what a program gave."""
    from lastseen.sources import KIND

    if row.kind != "code":
        return row.kind
    if "/" in row.name:
        return "bridge"
    return KIND if row.name == KIND and settings().mqtt_url is not None else row.kind


def _hears(check: SourceCheck | None, now: Any) -> bool:
    """A server listens to it now, and its link is there."""
    if check is None or check.alive_at is None or not check.listening:
        return False
    return check.blind_since is None and now - check.alive_at <= ALIVE


def _words(reason: str) -> str:
    """Why it is blind, as people read it."""
    from lastseen.model import BlindReason
    from lastseen.monitor.story_words import BLIND

    return BLIND[BlindReason(reason)] if reason else ""


def _topics(row: Source) -> str:
    return " ".join([*row.config.get("presets", ()), *row.config.get("bind", ())])


def _stranger(one: Stranger) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "name": one.name,
        "heard": one.heard,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "detail": one.detail,
    }
