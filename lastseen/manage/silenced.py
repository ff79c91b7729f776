"""How many machines silences, or the wishes of channels, name now, of those that who asks may see.

The store counts, by a query for each silence. Only patterns it does not know: what they have in common with names is
searched for, each by a query. Where these are many, or could be anything, all machines are walked through, once for all
such silences.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any, Final

from lastseen.manage.office import Office
from lastseen.model import Machine, Matcher
from lastseen.model.directory import Sought
from lastseen.model.wishes import matchable
from lastseen.model.words import replace

SEARCHES: Final = 12
"""Patterns that are searched for one by one: more of them cost what the walk does."""

GLANCES: Final = 4
"""The same, and how many silences are counted at all, where a number is not worth waiting for."""

LISTED: Final = 1000
"""Names that one query may have: databases take no statements of any length."""

FITTING: Final = 1000
"""Machines that a search may find: more of them are no quicker than the walk."""

LONGEST: Final = 100
"""Characters of a name that are searched for: databases take no patterns of any length."""

PAGE: Final = 1000
_SPECIAL: Final = "*?["
_EVERY: Final = frozenset("*")


async def named_now(office: Office, some: Sequence[Matcher]) -> list[int]:
    """How many each names: none is a slip, or of machines to come."""
    some = _wherever(some)
    found = await _quickly(office, some, SEARCHES)
    left = [one for one, many in zip(some, found, strict=True) if many is None]
    walked = dict(zip(left, await _walked(office, left), strict=True))
    return [walked[one] if many is None else many for one, many in zip(some, found, strict=True)]


async def at_a_glance(office: Office, some: Sequence[Matcher]) -> list[int | None]:
    """The same of the first of them, for a few queries and no walk; None: not counted."""
    some = _wherever(some)
    first = list(dict.fromkeys(some))[:GLANCES]
    found = dict(zip(first, await _quickly(office, first, GLANCES), strict=True))
    return [found.get(one) for one in some]


async def known(office: Office, names: Collection[str]) -> set[str]:
    """Those of them that a machine has as slug or name which who asks may see. However many are called alike: each
    query but the last of some finds a name that none before has found."""
    found, every = set[str](), sorted(names)
    for start in range(0, len(every), LISTED):
        left = set(every[start : start + LISTED])
        while left:
            page = await office.store.seek(Sought(called=tuple(left), seen_by=office.who.seen_by, limit=PAGE))
            these = {name for one in page for name in (one.machine.slug, one.machine.name) if name in left}
            found |= these
            left = left - these if these and len(page) == PAGE else set()
    return found


async def everyone(office: Office) -> AsyncIterator[Machine]:
    """All machines, whoever's they are."""
    after = 0
    while page := await office.store.machines(after, PAGE):
        for standing in page:
            yield standing.machine
        after = page[-1].machine.id


def fitting(matcher: Matcher) -> Callable[[Machine], bool]:
    """Whether it names a machine. A name that is no pattern is looked up, so that many cost what one does."""
    literal = frozenset(name for name in matcher.names if not is_pattern(name))
    patterns = tuple(name for name in matcher.names if is_pattern(name))
    of_names, of_patterns = replace(matcher, names=()), Matcher(names=patterns)

    def fits(machine: Machine) -> bool:
        snapshot = matchable(machine)
        if of_names.misses(snapshot) is not None:
            return False
        if not matcher.names or machine.slug in literal or machine.name in literal:
            return True
        return bool(patterns) and of_patterns.misses(snapshot) is None

    return fits


def is_pattern(name: str) -> bool:
    return not frozenset(_SPECIAL).isdisjoint(name)


async def _quickly(office: Office, some: Sequence[Matcher], searches: int) -> list[int | None]:
    """None: it takes more searches than are left, or finds too many."""
    found = dict[Matcher, int | None]()
    for one in dict.fromkeys(some):
        whoever = any(_EVERY.issuperset(name) for name in one.names if name)
        if whoever or (len(one.names) <= LISTED and not any(map(is_pattern, one.names))):
            counts = await office.store.census(_sought(office, one, called=() if whoever else one.names))
            found[one] = sum(count.machines for count in counts)
            continue
        parts = {_part(name) for name in one.names}
        found[one] = None
        if "" not in parts and len(parts) <= searches:
            searches -= len(parts)
            found[one] = await _searched(office, one, sorted(parts))
    return [found[one] for one in some]


async def _searched(office: Office, matcher: Matcher, parts: Sequence[str]) -> int | None:
    """What has one of these parts somewhere is more than what is so called, and never less."""
    near = dict[int, Machine]()
    for part in parts:
        page = await office.store.seek(_sought(office, matcher, text=part, limit=FITTING + 1))
        if len(page) > FITTING:
            return None
        near |= {standing.machine.id: standing.machine for standing in page}
    return sum(map(fitting(matcher), near.values()))


async def _walked(office: Office, some: Sequence[Matcher]) -> list[int]:
    found = [0] * len(some)
    if not some:
        return found
    each = [fitting(one) for one in some]
    async for machine in everyone(office):
        if office.who.sees(machine.owner):
            for at, fits in enumerate(each):
                found[at] += fits(machine)
    return found


def _wherever(some: Sequence[Matcher]) -> list[Matcher]:
    """Whatever is not told on one chat alone: which machines these are is the same."""
    return [replace(one, channels=()) for one in some]


def _sought(office: Office, matcher: Matcher, **more: Any) -> Sought:
    by = replace(Sought(**more), groups=matcher.groups, tags=matcher.tags, kinds=matcher.kinds, ids=matcher.ids)
    return replace(by, seen_by=office.who.seen_by)


def _part(name: str) -> str:
    """The longest text that whatever is so called has in it. Behind a bracket letters may be choices."""
    before = name.partition("[")[0].replace("?", "*")
    return max(before.split("*"), key=len)[:LONGEST]
