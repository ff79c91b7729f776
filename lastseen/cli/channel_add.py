"""`lastseen channels add TYPE`: one command for each notifier that is installed, its flags from its own Config."""

from __future__ import annotations

import inspect
import shlex
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from lastseen.cli.options import UsageError, naming
from lastseen.cli.output import Json, print_json
from lastseen.cli.session import call, do
from lastseen.cli.where import there
from lastseen.errors import ConfigurationError

if TYPE_CHECKING:
    from lastseen.manage.office import Office

Values = dict[str, Any]

FLAGS = {("telegram", "token"): "--bot-token", ("email", "sender"): "--from"}
"""Flags that are called otherwise than their field."""

TAKEN = {"name", "json", "help"}


class AddGroup(typer.core.TyperGroup):
    """Its commands are the entry points in `lastseen.notifiers`, loaded when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        from lastseen.plugins import notifier_types

        return [name for name, found in notifier_types().items() if found.notifier is not None]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        from lastseen.plugins import notifier_types

        found = notifier_types().get(cmd_name)
        if found is None:
            raise UsageError(f"no notifier {cmd_name!r}; there are: {', '.join(self.list_commands(ctx))}", ctx)
        if found.notifier is None:
            raise ConfigurationError(f"the notifier {cmd_name!r} of {found.distribution} does not load: {found.error}")
        single = typer.Typer(add_completion=False)
        single.command(cmd_name, help=found.summary)(_command(cmd_name, found.notifier.Config))
        command = typer.main.get_command(single)
        command.name = cmd_name
        return command


def _command(type_: str, config: Any) -> Callable[..., None]:
    """A function for typer with one parameter for each field of the notifier's Config."""
    options, fields = _options(type_, config)

    def add(**given: Any) -> None:
        name, as_json = given.pop("name"), given.pop("as_json")
        _add(type_, name, _values(type_, fields, given), as_json)

    parameters = [
        inspect.Parameter(
            "name", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str, typer.Option(help="Its name.")]
        ),
        *options,
        inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, annotation=Json, default=False),
    ]
    add.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    add.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return add


def _options(type_: str, config: Any) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    from lastseen.manage.channel_setup import FILLED_IN

    options: list[inspect.Parameter] = []
    fields = {n: f for n, f in config.model_fields.items() if n not in FILLED_IN.get(type_, ())}
    for name, field in fields.items():
        flag, kind, text = _flag(type_, name), _kind(field.annotation), _help(field)
        if kind == "bool":
            options.append(_option(name, bool | None, f"{flag}/--no-{flag[2:]}", text))
        elif kind == "list":
            options.append(_option(name, list[str] | None, flag, text))
        else:
            options.append(_option(name, str | None, flag, text))
        if kind == "secret":
            options.append(_option(f"{name}_file", Path | None, f"{flag}-file", f"The file that holds {flag}."))
    return options, fields


def _option(name: str, annotation: Any, flag: str, text: str) -> inspect.Parameter:
    option = typer.Option(flag, help=text, show_default=False)
    return inspect.Parameter(
        f"field_{name}", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[annotation, option], default=None
    )


def _flag(type_: str, field: str) -> str:
    """`--field-name`; a plugin's field that is called like a flag of every channel is told apart by its type."""
    plain = field.replace("_", "-")
    return FLAGS.get((type_, field)) or (f"--{type_}-{plain}" if field in TAKEN else f"--{plain}")


def _help(field: Any) -> str:
    text = field.description or ""
    if field.is_required() or field.default in (None, ""):
        return text
    return f"{text} [default: {field.default}]".strip()


def _kind(annotation: Any) -> str:
    """How the field is given on a command line: `secret`, `bool`, `list` or `text`; pydantic does the rest."""
    from pydantic import SecretStr

    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = {_kind(part) for part in typing.get_args(annotation) if part is not type(None)}
        return kinds.pop() if len(kinds) == 1 else "text"
    if annotation is SecretStr:
        return "secret"
    if annotation is bool:
        return "bool"
    plain = typing.get_origin(annotation) or annotation
    return "list" if plain in (list, tuple, set, frozenset) else "text"


def _values(type_: str, fields: Mapping[str, Any], given: Mapping[str, Any]) -> Values:
    """What was said, by field; secrets may come from their files."""
    from lastseen.variables import read_secret

    values = {name: given[f"field_{name}"] for name in fields if given.get(f"field_{name}") not in (None, [])}
    for name in fields:
        path = given.get(f"field_{name}_file")
        if path is None:
            continue
        flag = _flag(type_, name)
        if name in values:
            raise UsageError(f"give {flag} or {flag}-file, not both")
        values[name] = read_secret(f"{flag}-file", path).strip()
    return values


def _add(type_: str, name: str, values: Values, as_json: bool) -> None:
    made = (
        do(lambda office: _made(office, type_, name, values)) if there() is None else _made_there(type_, name, values)
    )
    if as_json:
        print_json(made)
        return
    typer.echo(f"{made['name']} is channel {made['id']}. Try it: lastseen channels test {shlex.quote(made['name'])}")
    if "secret" in made:
        typer.echo(f"Its signing secret, shown this once:\n\n    {made['secret']}\n")


def _made_there(type_: str, name: str, values: Values) -> Values:
    """By a server, which has settings of its own."""
    from lastseen.cli.invites import connected_there
    from lastseen.manage import channel_setup

    if type_ == "telegram" and "chat_id" not in values:
        wishes = {field: value for field, value in values.items() if field not in ("token", "thread_id")}
        topic = values.get("thread_id")
        if topic is not None and not (str(topic).isascii() and str(topic).isdecimal()):
            raise UsageError(f"{_flag(type_, 'thread_id')}: must be a number, not {topic!r}")
        wishes |= {} if topic is None else {"thread_id": int(topic)}
        return connected_there(name, wishes, str(values.get("token", "")))
    with naming(lambda field: _flag(type_, field) if field and field != "name" else field):
        return call(channel_setup.add, type_, name, values)


async def _made(office: Office, type_: str, name: str, values: Values) -> Values:
    from lastseen.cli.invites import NO_TOKEN
    from lastseen.manage import channel_setup
    from lastseen.plugins import load_notifier

    whole = {**(office.senders.given(type_) if office.senders is not None else {}), **values}
    if type_ == "telegram" and "chat_id" not in whole:
        return await _connected(office, name, whole)
    filled = {"secret"} if type_ == "webhook" else set()
    required = [n for n, f in load_notifier(type_).Config.model_fields.items() if f.is_required()]
    missing = [n for n in required if n not in whole and n not in filled]
    if type_ == "telegram" and "token" in missing:
        raise ConfigurationError(NO_TOKEN)
    if missing:
        raise UsageError(f"{', '.join(_flag(type_, n) for n in missing)} must be given")
    with naming(lambda field: _flag(type_, field) if field and field != "name" else field):
        return await channel_setup.add(office, type_, name, values)


async def _connected(office: Office, name: str, values: Values) -> Values:
    """Without a chat, whoever sends the code to the bot is connected."""
    from lastseen.cli.invites import NO_TOKEN, connected

    if "token" not in values:
        raise ConfigurationError(NO_TOKEN)
    channel = await connected(office.monitor, name, values)
    return {"id": channel.id, "type": channel.type, "name": channel.name}
