"""Brokers that machines report through: everybody's, and an admin's to change."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from lastseen.clock import rfc3339
from lastseen.errors import Conflict, InvalidInput, NotFound
from lastseen.faults import Faults
from lastseen.ingest.mqtt import MqttSource
from lastseen.ingest.mqtt.source import PAUSED
from lastseen.manage import kinds
from lastseen.manage.events import page_through
from lastseen.manage.office import Office
from lastseen.model import Source
from lastseen.model.directory import Leaf
from lastseen.model.insight import SourceCheck, Stranger
from lastseen.words import say

ALIVE = timedelta(seconds=60)
"""A server that listens marks that every 5 s."""

MQTT = "mqtt"
SHOWN_AS = {"kind": "machine_kind"}
SECRETS = frozenset({"password"})


def split_url(url: str) -> tuple[str, str | None, str | None]:
    """An address without its user and password, and these. Whatever is before the last @ is no part of the address:
    a password with a slash in it ends up in no message."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator:
        return ("" if "@" in scheme else scheme), None, None
    who, at, place = rest.rpartition("@")
    if not at:
        return f"{scheme}://{place}", None, None
    user, _, password = who.partition(":")
    return f"{scheme}://{place}", unquote(user) or None, unquote(password) or None


def said_anew(
    config: Mapping[str, Any], secrets: Mapping[str, str], said: Mapping[str, Any], faults: Faults
) -> tuple[dict[str, Any], dict[str, str]]:
    """A row's config and secrets with what was said, by field, `password` among them. None: not said; what is empty is
    taken back, with the user the password too."""
    given = dict(said)
    password: str | None = given.pop("password", None)
    if given.get("url"):
        given["url"], user, in_url = split_url(given["url"])
        if (user and given.get("username")) or (in_url and password):
            faults.note(InvalidInput(say("holds a user or password that is given by an option too"), "url"))
        given["username"] = user or given.get("username")
        password = password or in_url
    kept, hidden = dict(config), dict(secrets)
    for field, value in given.items():
        if value in ("", [], False):
            kept.pop(field, None)
        elif value is not None:
            kept[field] = value
    if given.get("username") == "":
        hidden.pop("password", None)
    if password is not None:
        hidden["password"] = password
    return kept, hidden


async def listed(office: Office) -> list[dict[str, Any]]:
    """By id, with `hears`: a server listens to it now, and its link is there; and since when and why it is blind."""
    now = office.monitor.clock.now()
    checks = {check.name: check for check in (await office.store.checkup(now)).sources}
    return [_with_health(office, row, checks.get(row.name), now) for row in await office.store.sources()]


async def show(office: Office, name: str) -> dict[str, Any]:
    """How it fares, and what it hears that no machine has (`strangers`). Raises NotFound."""
    now = office.monitor.clock.now()
    row = await find(office, name)
    check = next((one for one in (await office.store.checkup(now)).sources if one.name == row.name), None)
    strangers = [_stranger(one) for one in (check.strangers if check is not None else ())]
    return {**_with_health(office, row, check, now), "strangers": strangers}


def _with_health(office: Office, row: Source, check: SourceCheck | None, now: datetime) -> dict[str, Any]:
    since, reason = (check.blind_since, check.blind_reason) if check is not None else (None, "")
    health = {"hears": hears(check, now), "blind_since": rfc3339(since), "blind_reason": reason or None}
    return {**describe(office, row), **health}


async def blind(office: Office, name: str, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
    """When it could not have heard anybody, the newest first. Raises NotFound, InvalidInput."""
    row = await find(office, name)
    return await page_through(office, lambda leaf: office.store.blind(row.id, leaf), Leaf(limit=limit), cursor)


async def add(office: Office, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """An MQTT broker; `said` as for `said_anew`. Raises Conflict, Forbidden, InvalidInput."""
    office.who.must_be_admin()
    faults = Faults()
    config, secrets = said_anew({}, {}, said, faults)
    await _tried(office, name, config, secrets, faults)
    if any(row.name == name for row in await office.store.sources()):
        raise Conflict(say("there is a source {name!r} already", name=name))
    adding = office.store.add_source(MQTT, name, config, secrets, office.monitor.clock.now())
    made: Source = await office.do(adding, "sources.add", f"source {name}", {"url": config.get("url")})
    return describe(office, made)


async def change(office: Office, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is not said stays; where the password is, the old one need not be readable. Raises NotFound, Forbidden,
    InvalidInput."""
    office.who.must_be_admin()
    row = await find(office, name)
    must_have_options(office, row)
    known = {} if said.get("password") is not None else await office.store.source_secrets(row.name)
    faults = Faults()
    config, secrets = said_anew(row.config, known, said, faults)
    await _tried(office, row.name, config, secrets, faults)
    changing = office.store.change_source(row.name, config, None if secrets == known else secrets)
    done: Source = await office.do(changing, "sources.change", f"source {row.name}")
    return describe(office, done)


def must_have_options(office: Office, row: Source) -> None:
    """Raises Conflict."""
    if row.kind != MQTT:
        kind = kind_of(office, row)
        raise Conflict(
            say("{name} is of kind {kind} and has no options here: there is nothing to set", name=row.name, kind=kind)
        )


async def switch(office: Office, name: str, on: bool) -> dict[str, Any]:
    """Listen to it no more for now, or again. Meanwhile nobody who was heard on it is found silent. Raises NotFound,
    Forbidden, Conflict."""
    office.who.must_be_admin()
    row = await find(office, name)
    if row.kind != MQTT:
        raise Conflict(say("{name} is always listened to", name=row.name))
    config = {field: value for field, value in row.config.items() if field != PAUSED} | ({} if on else {PAUSED: True})
    changing = office.store.change_source(row.name, config, None)
    verb = f"sources.{'resume' if on else 'pause'}"
    done: Source = await office.do(changing, verb, f"source {row.name}")
    return describe(office, done)


async def remove(office: Office, name: str) -> dict[str, Any]:
    """What stands behind its bridges goes with it; machines and their history stay. Raises NotFound, Forbidden."""
    office.who.must_be_admin()
    row = await find(office, name)
    if row.kind == "http":
        raise Conflict(say("{name} is the server's own way in: it cannot be removed", name=name))
    now = office.monitor.clock.now()
    await office.do(office.store.remove_source(row.name, now), "sources.remove", f"source {row.name}")
    for one in await office.store.sources():  # now that it is gone no more are made
        if one.name.startswith(f"{row.name}/"):
            with contextlib.suppress(NotFound):  # whoever removes it at the same time was first
                await office.store.remove_source(one.name, now)
    return {"id": row.id, "name": row.name, "removed": True}


async def find(office: Office, name: str) -> Source:
    """Raises NotFound."""
    rows: list[Source] = list(await office.store.sources())
    found = next((row for row in rows if row.name == name), None) or next(
        (row for row in rows if str(row.id) == name), None
    )
    if found is None:
        raise NotFound(say("no source {name!r}: see `lastseen sources list`", name=name))
    return found


def describe(office: Office, row: Source) -> dict[str, Any]:
    """`kind` is the source's own; the one of machines that it adds is `machine_kind`. Its options are for who may
    change something."""
    shown = row.config if office.who.edits_something or office.who.is_admin else {}
    config = {SHOWN_AS.get(field, field): value for field, value in shown.items() if field not in SECRETS}
    paused = {PAUSED: True} if row.config.get(PAUSED) else {}
    return {"id": row.id, "name": row.name, "kind": kind_of(office, row), **config, **paused}


def kind_of(office: Office, row: Source) -> str:
    """Rows that nobody added know no more than that something listens: the broker of the settings, what stands behind
    a bridge (its name is SOURCE/BASE, and no other has a slash), and what a program gave."""
    if row.kind != "code":
        return row.kind
    if "/" in row.name:
        return "bridge"
    return MQTT if row.name == MQTT and office.broker_given else row.kind


def hears(check: SourceCheck | None, now: datetime) -> bool:
    """A server listens to it now, and its link is there."""
    if check is None or check.alive_at is None or not check.listening:
        return False
    return check.blind_since is None and now - check.alive_at <= ALIVE


async def _tried(
    office: Office, name: str, config: Mapping[str, Any], secrets: Mapping[str, str], faults: Faults
) -> None:
    """Everything is tried but the broker. Raises InvalidInput, with `faults` too."""
    if "/" in name or not name.strip():
        faults.note(InvalidInput(say("must be a name without slashes"), "name"))  # parts of sources are NAME/PART
    with faults.noted():
        MqttSource.from_config(name, config, secrets)
    with faults.noted():
        await kinds.check(office, config.get("kind"))
    faults.tell()


def _stranger(one: Stranger) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "name": one.name,
        "heard": one.heard,
        "first_at": rfc3339(one.first_at),
        "last_at": rfc3339(one.last_at),
        "detail": one.detail,
    }
