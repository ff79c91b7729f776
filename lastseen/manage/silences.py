"""Spans in which events of some machines are recorded and not told.

An admin's silence is of whatever machines it names, now and later. Anybody else's is of machines that they may change,
which are written down by their ids when it is made: what a pattern, a group or `all` would come to mean is not theirs,
nor is a machine that comes later with the slug of one that is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lastseen.clock import rfc3339
from lastseen.errors import Forbidden, InvalidInput, NotFound
from lastseen.faults import Faults
from lastseen.manage.office import Office
from lastseen.manage.silenced import at_a_glance, everyone, fitting, is_pattern, known, named_now
from lastseen.manage.who import OPERATOR
from lastseen.model import Machine, Matcher, Silence
from lastseen.model.words import replace
from lastseen.words import say

MOST: Final = 500
"""Machines of one silence that are written down."""


@dataclass(frozen=True, slots=True)
class Silenced:
    """A silence that is on. `every`: of all machines; `machines`: of how many else, None where counting takes long."""

    name: str
    until: datetime
    every: bool
    machines: int | None


async def add(
    office: Office, name: str, lasting: timedelta, matcher: Matcher, by: str, start: datetime | None = None
) -> dict[str, Any]:
    """From `start` in whatever zone, or from now, for as long. A matcher that names nothing is of all machines:
    commands, forms and the API ask whether that is meant before they call this. Raises InvalidInput, Forbidden."""
    office.who.must_edit()
    now = office.monitor.clock.now()
    begins, ends = _span(start or now, lasting)
    faults = Faults()
    if not name.strip():
        faults.note(InvalidInput(say("must not be empty"), "name"))
    if begins < now and ends <= now:
        faults.note(InvalidInput(say("must not be so long ago: it would be over already"), "starts_at"))
    faults.tell()
    matcher = matcher if office.who.is_admin else await _written_down(office, matcher)
    adding = office.store.add_silence(Silence(name, begins, ends, matcher, by), now)
    slugs = await _slugs(office, [matcher])
    said = {"name": name, "machines": _spoken(matcher, slugs)}
    made: Silence = await office.do(adding, "silences.add", lambda made: f"silence {made.id}", said)
    (many,) = await _named_now(office, [made])
    return describe(made, many, slugs)


_ZONES = timedelta(days=1)
"""More than any zone is away from UTC."""


def _span(start: datetime, lasting: timedelta) -> tuple[datetime, datetime]:
    """In UTC before anything is added: in a zone of its own a time is reckoned as a clock on the wall shows it, which
    knows nothing of changes. Both have a name in every zone. Raises InvalidInput."""
    try:
        begins = start.astimezone(UTC)
        ends = begins + lasting
        return begins - _ZONES + _ZONES, ends + _ZONES - _ZONES
    except OverflowError:
        message = say("must be a time such as 2025-10-10 03:00, not {text!r}", text=f"{start:%Y-%m-%d %H:%M}")
        raise InvalidInput(message, "starts_at") from None


async def listed(office: Office) -> list[dict[str, Any]]:
    """Those that are not over, as far as they are of machines and channels that who asks may see."""
    listed = await _listed(office)
    theirs = await _theirs(office, [one for one, _ in listed])
    slugs = await _slugs(office, [one.shown.matcher for one, _ in listed])
    return [describe(one.shown, many, slugs, one.whole.id in theirs) for one, many in listed]


async def on_now(office: Office) -> list[Silenced]:
    """Those that hold something back now of machines that who asks may see: first those of all machines, then by their
    ends. Without those of one chat alone, and those that are known to name no machine. It is read with each look at the
    first page, and costs a few counts: of the first of them. Whether a pattern or a group behind these names a machine
    that who asks may see is not known: its name is told to admins alone, as the list may hide it from others."""
    now = office.monitor.clock.now()
    shown = [one.shown for one in await _visible(office)]
    begun = [one for one in shown if one.starts_at <= now and not one.matcher.channels]
    begun.sort(key=lambda one: (one.matcher.of_machines, one.ends_at))
    of_some = [one for one in begun if one.matcher.of_machines]
    counts = dict(zip(of_some, await at_a_glance(office, [one.matcher for one in of_some]), strict=True))
    if not office.who.is_admin:
        begun = [one for one in begun if counts.get(one, 0) is not None or _by_each(one.matcher)]
    found = [Silenced(one.name, one.ends_at, one not in counts, counts.get(one)) for one in begun]
    return [one for one in found if one.machines != 0]


async def end(office: Office, silence: int) -> dict[str, Any]:
    """Now: what is still so is told. Raises NotFound, Forbidden."""
    office.who.must_edit()
    if not office.who.is_admin:
        await _must_be_theirs(office, silence)
    ending = office.store.end_silence(silence, office.monitor.clock.now())
    ended: Silence = await office.do(ending, "silences.end", f"silence {silence}", lambda ended: {"name": ended.name})
    (many,) = await _named_now(office, [ended])
    return describe(ended, many, await _slugs(office, [ended.matcher]))


async def _named_now(office: Office, some: Sequence[Silence]) -> list[int]:
    return await named_now(office, [one.matcher for one in some])


# --- whose they are ---------------------------------------------------------------------------------------------------


async def _written_down(office: Office, matcher: Matcher) -> Matcher:
    """The machines that it names now, of those that who asks may change."""
    fits = fitting(matcher)
    ids = [machine.id async for machine in everyone(office) if office.who.edits(machine.owner) and fits(machine)]
    if not ids:
        raise InvalidInput(say("must name a machine that you may change"), "names")
    if len(ids) > MOST:
        raise InvalidInput(
            say("names {many} machines, more than {most}: an admin can silence them", many=len(ids), most=MOST),
            "names",
        )
    return Matcher(ids=tuple(ids))


@dataclass(frozen=True, slots=True)
class _Seen:
    """`shown`: without names and ids that stand for machines of others alone, and names of none that is known. Ids are
    never given again: that of a machine that is gone hides nothing."""

    whole: Silence
    shown: Silence


async def _visible(office: Office) -> list[_Seen]:
    """Those whose names and channels who asks may read."""
    every: list[Silence] = list(await office.store.silences(office.monitor.clock.now()))
    if office.who.is_admin or not every:
        return [_Seen(one, one) for one in every]
    uids = {channel.uid for channel in await office.store.channels() if office.who.sees(channel.owner_id)}
    seen = await known(office, {name for one in every for name in _literal(one)})
    there = await _there(office, [one.matcher for one in every])
    found = []
    for one in every:
        names = tuple(name for name in one.matcher.names if name in seen or is_pattern(name))
        ids = tuple(id_ for id_ in one.matcher.ids if id_ not in there or office.who.sees(there[id_].owner))
        theirs = not there.keys().isdisjoint(ids) or (ids == one.matcher.ids and one.created_by == office.who.name)
        shown = replace(one.matcher, names=names, ids=ids)
        left_out = (one.matcher.names and not names) or (one.matcher.ids and not theirs)
        if not left_out and (not one.matcher.channels or uids & {*one.matcher.channels}):
            found.append(_Seen(one, replace(one, matcher=shown)))
    return found


async def _listed(office: Office) -> list[tuple[_Seen, int]]:
    """The same, but for those that are of machines of others alone; and how many machines each names."""
    visible = await _visible(office)
    found = list(zip(visible, await _named_now(office, [one.shown for one in visible]), strict=True))
    if office.who.is_admin:
        return found
    nobodys = [one.whole for one, many in found if not many and not one.whole.matcher.channels]
    of_others = dict(zip(nobodys, await _named_now(office.of(OPERATOR), nobodys), strict=True))
    return [(one, many) for one, many in found if not (one.whole.matcher.of_machines and of_others.get(one.whole))]


async def _must_be_theirs(office: Office, silence: int) -> None:
    """Raises NotFound, Forbidden."""
    one = next((one for one, _ in await _listed(office) if one.whole.id == silence), None)
    if one is None:
        raise NotFound(say("there is no silence {silence}, or it is over", silence=silence))
    if silence not in await _theirs(office, [one]):
        raise Forbidden(say("only an admin ends a silence of more than what you may change"))


async def _theirs(office: Office, some: Sequence[_Seen]) -> set[int]:
    """Those that who asks may end: of chats that are theirs, or of names that no machine has but those that they may
    change. Who may change something may change what they see."""
    if office.who.is_admin or not office.who.edits_something:
        return {one.whole.id for one in some} if office.who.is_admin else set()
    owners = {channel.uid: channel.owner_id for channel in await office.store.channels()}
    found, named = set[int](), dict[int, Matcher]()
    for one in some:
        which = one.whole.matcher
        if which.channels:
            if all(uid in owners and office.who.edits(owners[uid]) for uid in which.channels):
                found.add(one.whole.id)
        elif (which.names or which.ids) and which == one.shown.matcher and _literal(one.whole) == which.names:
            named[one.whole.id] = Matcher(names=which.names, ids=which.ids)
    of_all, of_theirs = [await named_now(asked, [*named.values()]) for asked in (office.of(OPERATOR), office)]
    return found | {id_ for id_, every, own in zip(named, of_all, of_theirs, strict=True) if every == own}


def _literal(silence: Silence) -> tuple[str, ...]:
    return tuple(name for name in silence.matcher.names if not is_pattern(name))


def _by_each(matcher: Matcher) -> bool:
    """What it names is nothing but single machines."""
    return not (matcher.groups or matcher.tags or matcher.kinds or any(map(is_pattern, matcher.names)))


# --- in words ---------------------------------------------------------------------------------------------------------


async def _there(office: Office, some: Sequence[Matcher]) -> dict[int, Machine]:
    """The machines, by their ids, that these have written down and that are not gone."""
    ids = sorted({id_ for one in some for id_ in one.ids})
    found = await office.store.liveness(ids) if ids else {}
    return {standing.machine.id: standing.machine for standing in found.values()}


async def _slugs(office: Office, some: Sequence[Matcher]) -> dict[int, str]:
    return {id_: machine.slug for id_, machine in (await _there(office, some)).items()}


def _called(matcher: Matcher, slugs: Mapping[int, str]) -> list[str]:
    return sorted(slugs[id_] for id_ in matcher.ids if id_ in slugs)


def _spoken(matcher: Matcher, slugs: Mapping[int, str]) -> str:
    return (", ".join(_called(matcher, slugs)) or "removed machines") if matcher.ids else str(matcher)


def describe(silence: Silence, machines_now: int, slugs: Mapping[int, str], may_end: bool = True) -> dict[str, Any]:
    """`machines`: in words; `machines_now`: how many these are. `matcher`: what it names, by field; what it has written
    down as `slugs`, which these are now. `one_chat`: somebody muted it for one chat alone. `may_end`: who asks may."""
    which = silence.matcher
    named = {name: list(getattr(which, name)) for name in ("groups", "tags", "kinds", "names")}
    named = {name: words for name, words in named.items() if words}
    return {
        "id": silence.id,
        "name": silence.name,
        "starts_at": rfc3339(silence.starts_at),
        "ends_at": rfc3339(silence.ends_at),
        "machines": _spoken(which, slugs),
        "machines_now": machines_now,
        "matcher": named | ({"slugs": _called(which, slugs)} if which.ids else {}),
        "one_chat": bool(which.channels),
        "created_by": silence.created_by,
        "may_end": may_end,
    }
