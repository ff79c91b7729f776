"""Making a channel, and saying where it sends to: by the fields of its notifier's own Config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lastseen.errors import ConfigurationError, Conflict, InvalidInput, PluginError
from lastseen.manage.channels import check_name, find, may_configure, may_get_there, shown
from lastseen.manage.office import Office, Senders
from lastseen.manage.owners import of_new
from lastseen.model import Channel, replace
from lastseen.notifiers.signing import new_secret
from lastseen.plugins import check_config, load_notifier, notifier_types, split_secrets, unguarded_in
from lastseen.words import say

FILLED_IN: Mapping[str, frozenset[str]] = {"webhook": frozenset({"previous_secret", "previous_until"})}
"""Fields that a change of secret fills in, and nobody says."""

CODE = "code"


def types() -> list[dict[str, Any]]:
    """What is installed: `{type, summary, package, admins_only, schema, error}`; `schema` is the JSON Schema of its
    `config`, None where it cannot be used, which `error` explains."""
    return [
        {
            "type": found.name,
            "summary": found.summary,
            "package": found.distribution,
            "admins_only": _unguarded(found.notifier),
            "schema": None if found.notifier is None else _schema(found.name, found.notifier.Config),
            "error": found.error,
        }
        for found in notifier_types().values()
    ]


async def add(
    office: Office, type_: str, name: str, values: Mapping[str, Any], *, shared: bool | None = None
) -> dict[str, Any]:
    """`{id, type, name}`, and `secret` where one was made. `values`: of its Config, by field, secrets among them.
    Raises InvalidInput naming the field, Conflict, Forbidden, PluginError."""
    senders = _senders(office)
    owner = of_new(office, {} if shared is None else {"shared": shared}).get("owner")
    may_configure(office, owner)
    _may_be_of(office, type_)
    check_name(name)
    for field in FILLED_IN.get(type_, frozenset()) & values.keys():
        raise InvalidInput(say("is filled in when the secret is rotated"), field)
    whole, made = {**senders.given(type_), **values}, {}
    if type_ == "webhook" and "secret" not in whole:
        whole["secret"] = made["secret"] = new_secret()
    await _tried(type_, whole, owner)
    if owner is not None and _unguarded(load_notifier(type_)):
        raise InvalidInput(say("must be true: a channel of this type is everybody's"), "shared")
    config, secrets = split_secrets(type_, whole)
    lane = await senders.lane(type_, name, config, secrets, owner)
    await may_get_there(senders, Channel("", name, type_, config=config, owner_id=owner), secrets)
    now = office.monitor.clock.now()
    adding = office.store.add_channel(type_, name, config, secrets, lane, now, owner)
    channel: Channel = await office.do(adding, "channels.add", f"channel {name}", {"type": type_})
    return {"id": channel.id, "type": channel.type, "name": channel.name, **made}


async def configure(
    office: Office, text: str, values: Mapping[str, Any], *, to_everybody: bool = False
) -> dict[str, Any]:
    """Say these fields of its Config anew; what is not named stays. As it is then. `to_everybody`: it is given to them
    next, and may lead where theirs may. Raises as `add`."""
    senders = _senders(office)
    channel = await find(office, text)
    owner = None if to_everybody else channel.owner_id
    for whose in {channel.owner_id, owner}:
        may_configure(office, whose)
    if channel.type == CODE:
        raise Conflict(say("{name} is given in a program's code: only that says where it sends to", name=channel.name))
    _may_be_of(office, channel.type)
    known = await office.store.channel_secrets(channel.uid)
    await _tried(channel.type, {**channel.config, **known, **values}, owner)
    config, secrets = split_secrets(channel.type, values)
    config |= {name: None for name, value in values.items() if value is None}
    whole = replace(channel, config={**channel.config, **config}, owner_id=owner)
    await senders.lane(channel.type, channel.name, whole.config, {**known, **secrets}, owner)
    await may_get_there(senders, whole, {**known, **secrets})
    now = office.monitor.clock.now()
    changing = office.store.change_channel(channel.uid, config, now, {**known, **secrets} if secrets else None)
    said = dict.fromkeys(values, "said anew")
    return await shown(office, await office.do(changing, "channels.configure", f"channel {channel.name}", said))


@contextmanager
def within(place: str, *but: str) -> Iterator[None]:
    """Where a field is wrong, it is one of this object, `but` for these."""
    try:
        yield
    except InvalidInput as error:
        first, *others = [
            one if one.field in but else InvalidInput(one.message, f"{place}.{one.field}" if one.field else place)
            for one in (error, *error.others)
        ]
        raise InvalidInput(first.message, first.field, others) from None


async def _tried(type_: str, values: Mapping[str, Any], owner: int | None) -> None:
    """Raises InvalidInput naming the field. Apprise is asked whether it knows the addresses."""
    for field in unguarded_in(type_, values) if owner is not None else ():
        raise InvalidInput(say("is for channels that everybody shares: nothing guards where it leads"), field)
    checked = check_config(type_, values)
    if type_ == "apprise":
        await load_notifier("apprise")(checked).start()


def _may_be_of(office: Office, type_: str) -> None:
    """Raises InvalidInput, Forbidden."""
    try:
        notifier = load_notifier(type_)
    except PluginError as error:
        raise InvalidInput(str(error), "type") from None
    if _unguarded(notifier):
        office.who.must_be_admin()


def _unguarded(notifier: Any) -> bool:
    return bool(getattr(notifier, "operators_only", False))


def _schema(type_: str, config: Any) -> dict[str, Any]:
    schema: dict[str, Any] = config.model_json_schema()
    for field in FILLED_IN.get(type_, ()):
        schema.get("properties", {}).pop(field, None)
    return schema


def _senders(office: Office) -> Senders:
    if office.senders is None:
        raise ConfigurationError(say("no channels are made or changed here"))
    return office.senders
