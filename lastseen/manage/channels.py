"""Who is told: found, listed, switched, removed, and what each wishes to hear. Making and trying one: `channel_setup`,
`channel_test`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lastseen.clock import rfc3339, told_time
from lastseen.errors import Conflict, Forbidden, InvalidInput, PluginError, UnknownChannel
from lastseen.manage import owners
from lastseen.manage.machines import id_in
from lastseen.manage.office import Office, Senders
from lastseen.manage.silenced import named_now
from lastseen.manage.who import Who
from lastseen.model import Channel, Preferences, Trouble, preferences_from, replace
from lastseen.model.outbox import LEFT_BEHIND
from lastseen.model.wishes import NAMED_BY
from lastseen.notifiers.quiet import check_severity, checked_wishes
from lastseen.notifiers.signing import new_secret
from lastseen.plugins import split_secrets
from lastseen.protocols import Troubles
from lastseen.words import say

CODE = "code"
"""The type of channels that a program gives."""

FAR_END = "far_end"
"""By whom a channel was disabled that is wanted no more there where it leads to (410)."""

LONGEST = 200
"""Characters of a name."""

KEEP = "\0keep"
"""A fallback or an owner that is not said: no channel can be called so, and no user."""


async def find(office: Office, text: str) -> Channel:
    """By name, or by id where no name is written like that. Raises UnknownChannel, also where there is one that is not
    for who asks to see."""
    known: Sequence[Channel] = [one for one in await office.store.channels() if office.who.sees(one.owner_id)]
    for channel in known:
        if channel.name == text:
            return channel
    for channel in known:
        if str(channel.id) == text:
            return channel
    raise UnknownChannel(text)


async def find_to_edit(office: Office, text: str) -> Channel:
    """The same, for who may change it. Raises Forbidden too."""
    channel = await find(office, text)
    office.who.must_edit(channel.owner_id)
    if channel.is_left_behind and not office.who.is_admin:
        raise Forbidden(say("only an admin takes over a channel of somebody who is no user any more"))
    return channel


def may_configure(office: Office, owner: int | None) -> None:
    """What everybody's channels connect to is not guarded: only an admin says where that is. Raises Forbidden."""
    office.who.must_edit(owner)
    if owner is None and not office.who.is_admin:
        raise Forbidden(
            say("only an admin says where a channel that everybody shares sends to: it may use any address")
        )


async def visible(office: Office) -> list[Channel]:
    """Those that who asks may see, by id."""
    return [one for one in await office.store.channels() if office.who.sees(one.owner_id)]


async def listed(office: Office) -> list[dict[str, Any]]:
    """The same, as `describe` says. Which machines each names is not counted: that may take a look at all of them."""
    known = await office.store.channels()
    users, troubles = await owners.names(office), await _troubles(office.store, office.monitor.clock.now())
    return [describe(office, one, known, users, troubles) for one in known if office.who.sees(one.owner_id)]


async def show(office: Office, text: str) -> dict[str, Any]:
    return await shown(office, await find(office, text))


async def shown(office: Office, channel: Channel) -> dict[str, Any]:
    known, users = await office.store.channels(), await owners.names(office)
    troubles = await _troubles(office.store, office.monitor.clock.now())
    return describe(office, channel, known, users, troubles, await _machines_now(office, channel))


async def _machines_now(office: Office, channel: Channel) -> int | None:
    """How many machines its wishes name, of those that it hears of and who asks may see. None: they name all."""
    which, owner = channel.prefs.machines, channel.owner_id
    if not which.of_machines:
        return None
    hearing = office if owner is None else office.of(Who("", "member", owner))
    return (await named_now(hearing, [which]))[0]


async def failing(office: Office) -> list[Channel]:
    """Of those that fail, which who asks is to put right: theirs, for an admin all."""
    mine, found = office.who.user_id, await all_failing(office.store, office.monitor.clock.now())
    return [one for one in found if office.who.is_admin or (mine is not None and one.owner_id == mine)]


async def all_failing(store: Any, now: datetime) -> list[Channel]:
    """The channels that are on and fail, or that their far ends switched off."""
    failing = [one.channel for one in (await _troubles(store, now)).values()]
    return failing + [one for one in await store.channels() if not one.enabled and one.disabled_by == FAR_END]


async def _troubles(store: Any, now: datetime) -> Mapping[str, Trouble]:
    """By the uids of those that are on and fail."""
    found = await store.troubled(now, timedelta(0)) if isinstance(store, Troubles) else []
    return {one.channel.uid: one for one in found}


def describe(
    office: Office,
    channel: Channel,
    known: Sequence[Channel],
    users: Mapping[int, str],
    troubles: Mapping[str, Trouble],
    machines_now: int | None = None,
) -> dict[str, Any]:
    """`config` is for who may change the channel: addresses in it may be secrets. `wishes`: what is not as usual.
    `last_error`: what its far end said last, while it fails. `machines_now`: how many machines its wishes name, None:
    all, or they are not counted."""
    fallback = next((other.name for other in known if other.uid == channel.fallback), None)
    trouble = troubles.get(channel.uid)
    return {
        "id": channel.id,
        "type": channel.type,
        "name": channel.name,
        "enabled": channel.enabled,
        "disabled_by": channel.disabled_by,
        "disabled_reason": channel.disabled_reason,
        "failing_since": None if trouble is None else rfc3339(trouble.since),
        "last_error": None if trouble is None else trouble.said or None,
        "config": dict(channel.config) if office.who.edits(channel.owner_id) else {},
        **wished(channel.prefs),
        "machines_now": machines_now,
        "fallback": fallback,
        **owners.described(channel.owner_id, users),
    }


def wished(wishes: Preferences) -> dict[str, Any]:
    """For programs: what is not as usual."""
    value: dict[str, Any] = msgspec.to_builtins(wishes)
    return {"wishes": {name: one for name, one in value.items() if one}}


async def switch(office: Office, text: str, enabled: bool, reason: str | None = None) -> dict[str, Any]:
    """Disabling cancels what waits, enabling also forgets its failures. As it is then."""
    if reason is not None and reason.endswith(LEFT_BEHIND):
        raise InvalidInput(say("ends as what is written where somebody is removed: say it in other words"), "reason")
    channel = await find_to_edit(office, text)
    switching = office.store.switch_channel(channel.uid, enabled, reason, office.monitor.clock.now())
    verb = f"channels.{'enable' if enabled else 'disable'}"
    switched: Channel = await office.do(switching, verb, f"channel {channel.name}", {"reason": reason})
    return await shown(office, switched)


def check_name(name: str) -> None:
    """Of a new one: its own in every line of text where it stands. Raises InvalidInput."""
    if id_in(name) is not None:
        raise InvalidInput(say("must not be digits alone: so channels are numbered"), "name")
    if any(ord(letter) < 32 or letter in "\x7f\x85\u2028\u2029" for letter in name):
        raise InvalidInput(say("must be one line, without control characters"), "name")


async def may_be_called(office: Office, text: str, name: str) -> Channel:
    """The channel, where it may have this name. Raises UnknownChannel, Forbidden, InvalidInput, Conflict."""
    channel = await find_to_edit(office, text)
    if channel.type == CODE:
        raise Conflict(say("{name} is given in a program's code, and known there by this name", name=channel.name))
    if not name.strip() or len(name) > LONGEST:
        raise InvalidInput(say("must have 1 to {most} characters", most=LONGEST), "name")
    check_name(name)
    if any(other.name == name and other.uid != channel.uid for other in await office.store.channels()):
        raise Conflict(say("there is a channel {name} already", name=repr(name)))
    return channel


async def rename(office: Office, text: str, name: str) -> dict[str, Any]:
    """What it was told stays its own. As it is then. Raises as `may_be_called`."""
    channel = await may_be_called(office, text, name)
    renaming = office.store.rename_channel(channel.uid, name, office.monitor.clock.now())
    renamed: Channel = await office.do(renaming, "channels.rename", f"channel {channel.name}", {"name": name})
    return await shown(office, renamed)


async def may_be_of(
    office: Office, text: str, owner: str | None, fallback: str | None = KEEP, config: Mapping[str, Any] | None = None
) -> tuple[Channel, int | None]:
    """The channel, and the id of the user who may have it; None: everybody. What guards its addresses goes by that, and
    who stands in for it; `fallback` and `config`: what is said anew with it. Raises UnknownChannel, Forbidden,
    InvalidInput, Conflict."""
    office.who.must_be_admin()
    channel = await find_to_edit(office, text)
    user: int | None = (await owners.named(office, {"owner": owner}))["owner"]
    if channel.type == CODE:
        raise Conflict(say("{name} is given in a program's code: it is everybody's", name=channel.name))
    behind = channel.fallback
    if fallback != KEEP:
        behind = None if fallback is None else (await find(office, fallback)).uid
    for other in await office.store.channels():
        stands_in = other.uid == behind and other.owner_id not in (None, user)
        if stands_in or (other.fallback == channel.uid and user not in (None, other.owner_id)):
            said = say(
                "{name} and {other} stand in for one another: that must end first", name=channel.name, other=other.name
            )
            raise Conflict(said)
    if office.senders is not None and user is not None:
        known, anew = await office.store.channel_secrets(channel.uid), config or {}
        try:
            plain, secrets = split_secrets(channel.type, anew)
            whole = {**channel.config, **plain, **{name: None for name, value in anew.items() if value is None}}
            await office.senders.lane(channel.type, channel.name, whole, {**known, **secrets}, user)
        except PluginError as error:
            raise InvalidInput(str(error), "owner") from None
        await may_get_there(office.senders, replace(channel, config=whole, owner_id=user), {**known, **secrets})
    return channel, user


async def may_get_there(senders: Senders, channel: Channel, secrets: Mapping[str, str]) -> None:
    """Raises InvalidInput where nothing it is told would ever leave, by how its address is written: whose it is decides
    what guards that."""
    notifier: Any = senders(channel, secrets)
    try:
        reason = notifier.barred() if hasattr(notifier, "barred") else None
    finally:
        if hasattr(notifier, "close"):
            await notifier.close()
    if reason is not None:
        raise InvalidInput(say("{address}: {reason}", address=notifier.host, reason=reason), "url")


async def give(office: Office, text: str, owner: str | None) -> dict[str, Any]:
    """To this user, or to everybody. What it was told stays its own. As it is then. Raises as `may_be_of`."""
    channel, user = await may_be_of(office, text, owner)
    giving = office.store.give_channel(channel.uid, user, office.monitor.clock.now())
    given: Channel = await office.do(giving, "channels.give", f"channel {channel.name}", {"owner": owner})
    return await shown(office, given)


async def remove(office: Office, text: str) -> dict[str, Any]:
    """With its secrets; what was told through it stays in the history."""
    channel = await find_to_edit(office, text)
    removing = office.store.remove_channel(channel.uid, office.monitor.clock.now())
    await office.do(removing, "channels.remove", f"channel {channel.name}")
    return {"id": channel.id, "name": channel.name, "removed": True}


async def may_prefer(
    office: Office,
    text: str,
    change: Callable[[Preferences], Preferences],
    fallback: str | None = KEEP,
    owner: str | None = KEEP,
) -> tuple[Channel, Preferences, str | None]:
    """The channel, what it would wish, and the uid of the one that would stand in for it; `owner`: to whom it is given
    with that. Raises InvalidInput, UnknownChannel, Forbidden, Conflict."""
    channel = await find_to_edit(office, text)
    whose: int | None = channel.owner_id if owner == KEEP else (await owners.named(office, {"owner": owner}))["owner"]
    other = channel.fallback
    if fallback != KEEP:
        other = None if fallback is None else await _stand_in(office, whose, fallback)
    if other == channel.uid:
        raise Conflict(say("a channel cannot stand in for itself"))
    return channel, change(channel.prefs), other


async def prefer(
    office: Office, text: str, change: Callable[[Preferences], Preferences], fallback: str | None = KEEP
) -> Channel:
    """What it wishes from now on, from what it wished; `fallback`: another channel, None: no other. Raises as
    `may_prefer`."""
    channel, wishes, other = await may_prefer(office, text, change, fallback)
    preferring = office.store.prefer(channel.uid, wishes, other, office.monitor.clock.now())
    changed: Channel = await office.do(
        preferring, "channels.set", f"channel {channel.name}", lambda changed: wished(changed.prefs)
    )
    return changed


async def _stand_in(office: Office, whose: int | None, text: str) -> str:
    """The uid of one that may be told what such a channel is."""
    other = await find_to_edit(office, text)
    if other.owner_id not in (None, whose):
        raise InvalidInput(say("must be a channel that everybody shares, or of whom this one is"), "fallback")
    return other.uid


async def wish(
    office: Office, text: str, change: Callable[[Preferences], Preferences], fallback: str | None = KEEP
) -> dict[str, Any]:
    """The same for programs. As it is then."""
    return await shown(office, await prefer(office, text, change, fallback))


def merged(before: Preferences, said: Mapping[str, Any]) -> Preferences:
    """Wishes with these fields as JSON has them; null takes one back. Raises InvalidInput naming the field. Events that
    were wished before and are never told stand in the way of no other wish."""
    value = {**msgspec.to_builtins(before), **said}
    which = value.get("machines")
    for unknown in set(which if isinstance(which, Mapping) else ()) - {*NAMED_BY}:
        raise InvalidInput(say("is none of {known}", known=", ".join(NAMED_BY)), f"machines.{unknown}")
    wishes = preferences_from({name: one for name, one in value.items() if one is not None})
    checked_wishes(wishes if "events" in said else replace(wishes, events=()))
    if "severity" in said:
        check_severity(wishes)
    return wishes


async def rotate_secret(office: Office, text: str, keep: timedelta) -> dict[str, Any]:
    """A webhook's new secret, this once; until the old one ends, requests carry a signature by each. Who has it can
    speak for us there. Raises UnknownChannel, Forbidden, Conflict."""
    channel = await find(office, text)
    may_configure(office, channel.owner_id)
    if channel.type != "webhook":
        raise Conflict(
            say("{name} is of type {type}: only webhooks have a secret to rotate", name=channel.name, type=channel.type)
        )
    store, clock = office.store, office.monitor.clock
    old = (await store.channel_secrets(channel.uid)).get("secret")
    fresh = new_secret()
    secrets = {"secret": fresh, **({"previous_secret": old} if old else {})}
    until = {"previous_until": (told_time(clock) + keep).isoformat()}  # as what is sent is dated
    changing = store.change_channel(channel.uid, until, clock.now(), secrets)
    changed: Channel = await office.do(changing, "channels.rotate-secret", f"channel {channel.name}")
    return {"id": changed.id, "type": changed.type, "name": changed.name, "secret": fresh}
