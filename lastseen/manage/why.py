"""What happened to a machine, who was told, and who was not, and why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from lastseen.errors import ConfigurationError, UnknownMachine
from lastseen.manage.machines import find, id_in
from lastseen.manage.nearest import meant
from lastseen.manage.office import Office
from lastseen.manage.veil import veiled
from lastseen.monitor.moment import named
from lastseen.monitor.story import Asked, Story, story
from lastseen.monitor.story_layout import as_dict
from lastseen.notifiers.wording import When
from lastseen.protocols import Accounts
from lastseen.words import say

if TYPE_CHECKING:
    from lastseen.model.story import Facts


async def told(
    office: Office, machine: str, at: str | None, field: str = "at", *, guess: bool = False
) -> tuple[Story, When]:
    """By slug or id, of a machine that was removed too. `at`: around this time, as `monitor.moment` reads it. Raises
    UnknownMachine, InvalidInput naming `field`; where `guess`, NotFound with the names that are nearest: to compare
    them all takes long where there are many."""
    if not isinstance(office.store, Accounts):
        raise ConfigurationError(say("this store keeps no account of what happened"))
    now = office.monitor.clock.now()
    asked = Asked(now, now) if at is None else Asked(*named(at, now, office.zone, field), now=False)
    facts = await (_guessed if guess else _facts)(office, machine, asked, now)
    await office.monitor.name_sources([facts.standing])
    when = When(now, office.zone, abroad=office.zone != office.own_zone)
    return story(facts, office.monitor.described(facts.standing, now), asked, when), when


async def described(office: Office, machine: str, at: str | None) -> dict[str, Any]:
    """The same for programs."""
    return as_dict((await told(office, machine, at))[0])


async def _guessed(office: Office, text: str, asked: Asked, now: datetime) -> Facts:
    try:
        return await _facts(office, text, asked, now)
    except UnknownMachine as error:
        raise await meant(office, error) from None


async def _facts(office: Office, text: str, asked: Asked, now: datetime) -> Facts:
    store = office.store
    try:
        ref: Any = (await find(office, text)).machine.id
    except UnknownMachine:
        ref = text
    try:
        facts: Facts = await store.account(ref, asked.since, asked.until, now)
    except UnknownMachine:
        number = id_in(text)
        if number is None:
            raise
        facts = await store.account(number, asked.since, asked.until, now)
    if not office.who.sees(facts.standing.machine.owner):
        raise UnknownMachine(text)
    if office.who.is_admin:
        return facts
    mine = frozenset(one.uid for one in await store.channels() if office.who.sees(one.owner_id))
    return veiled(facts, office.who.sees, mine)
