"""What status pages and badges are about: one machine, a group, a tag, or all.

They show what their owner's things are: of a shared one all that is shared, of somebody's that and what is theirs. So
whoever may change one can show nothing by it that they may not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lastseen.errors import InvalidInput, UnknownMachine
from lastseen.manage.machines import find
from lastseen.manage.office import Office
from lastseen.model import Standing
from lastseen.model.directory import Sought
from lastseen.model.public import Subject
from lastseen.words import say

LONGEST = 200
"""Characters of a name."""


async def subject_of(office: Office, said: Mapping[str, Any], owner: int | None) -> Subject:
    """From one of `{machine: slug or id}`, `{group}`, `{tag}` and `{all: true}`. Raises InvalidInput by these names,
    also for a machine that is somebody else's or not there."""
    named = {name: said[name] for name in ("machine", "group", "tag", "all") if said.get(name) not in (None, False)}
    if len(named) != 1:
        raise InvalidInput(say("name one: a machine, a group, a tag, or all"), next(iter(named), "machine"))
    ((name, value),) = named.items()
    if name == "all":
        return Subject()
    text = str(value)
    if not text.strip() or len(text) > LONGEST:
        raise InvalidInput(say("must have 1 to {longest} characters", longest=LONGEST), name)
    if name == "group":
        return Subject(group=text)
    if name == "tag":
        return Subject(tag=text)
    try:
        standing = await find(office, text)
    except UnknownMachine as error:
        raise InvalidInput(say("there is no machine {text!r}", text=text), "machine") from error
    if not covers(owner, standing):
        raise InvalidInput(say("{text} belongs to somebody: only what is theirs can show it", text=text), "machine")
    return Subject(machine=standing.machine.id)


def covers(owner: int | None, standing: Standing) -> bool:
    """Whether what belongs to this user (None: is shared) may show it."""
    return standing.machine.owner is None or standing.machine.owner == owner


async def machines_of(office: Office, subject: Subject, owner: int | None, most: int) -> Sequence[Standing]:
    """By name, so many at most."""
    if subject.machine is not None:
        found: Mapping[Any, Standing] = await office.store.liveness([subject.machine])
        return [one for one in found.values() if covers(owner, one)]
    sought: Sequence[Standing] = await office.store.seek(sought_of(subject, owner, most))
    return sought


def sought_of(subject: Subject, owner: int | None, most: int) -> Sought:
    """Of a group, a tag or all."""
    groups, tags = ((one,) if one is not None else () for one in (subject.group, subject.tag))
    return Sought(groups=groups, tags=tags, seen_by=owner or 0, limit=most)


async def slugs_of(office: Office, subjects: Iterable[Subject]) -> Mapping[int, str]:
    """Of the machines among them that are there and that who asks may see."""
    ids = sorted({one.machine for one in subjects if one.machine is not None})
    found: Mapping[Any, Standing] = await office.store.liveness(ids) if ids else {}
    return {id_: one.machine.slug for id_, one in found.items() if office.who.sees(one.machine.owner)}


def described(subject: Subject, slugs: Mapping[int, str]) -> dict[str, Any]:
    """As `subject_of` takes it. A machine that was removed is null."""
    if subject.machine is not None:
        return {"machine": slugs.get(subject.machine)}
    if subject.group is not None:
        return {"group": subject.group}
    return {"all": True} if subject.tag is None else {"tag": subject.tag}
