"""The texts about many machines at once: a group that goes dark, and the digest after quiet hours. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from lastseen.model.insight import Roll
from lastseen.notifiers.storms import Member, Part, Storm
from lastseen.notifiers.stragglers import FLAPPING, PAUSED, REMOVED
from lastseen.notifiers.telling import ALERT, GOOD, HELD, Item, Told, ended_at, name_of, since_of
from lastseen.notifiers.wording import Line, When, lasted, one_line

MOST_NAMES = 6
MORNING = "☀️"


def storm(part: Part, roll: Roll, when: When) -> Item:
    """What is known of a storm when it is said."""
    members = list(part.storm.members.values())
    missing = [member for member in members if member.back_at is None and not member.word]
    if not part.back and missing:
        return _gone(part, missing, roll, when)
    neither = [member for member in members if member.word]
    return _partly_back(part.storm, members, missing, when) if missing or neither else _over(part.storm, members)


def _gone(part: Part, missing: Sequence[Member], roll: Roll, when: When) -> Item:
    since = min(member.since for member in missing)
    of = f" of {roll.total}" if roll.total >= len(missing) else ""
    growing = not part.talk.closed(when.now)
    hint = "More are late. I will update this message." if growing and roll.up else ""
    if roll.total and len(missing) * 2 > roll.total:
        hint = "Probably one cause: line, power or switch."
    up = f"Still up: {', '.join(map(one_line, roll.up))}" if roll.up and len(missing) * 2 > roll.total else ""
    after = f" {len(missing)}{of} offline since {when.at(since)}"
    lines = (hint, names([member.name for member in missing]), up)
    return Item(ALERT, part.storm.title, after, lines, colon=True)


def _partly_back(group: Storm, members: Sequence[Member], missing: Sequence[Member], when: When) -> Item:
    back = [member for member in members if member.back_at is not None and not member.word]
    words = {word: [one.name for one in members if one.word == word] for word in (FLAPPING, PAUSED, REMOVED)}
    counts = [f"{len(missing)} still offline"] if missing else []
    counts += [f"{len(named)} {word}" for word, named in words.items() if named]
    ends = [member.back_at for member in members if member.back_at is not None]
    gone = f"Gone {when.span(min(member.since for member in members), max(ends, default=when.now))}."
    lines = (
        f"{gone} Still silent:" if missing else gone,
        names([member.name for member in missing]),
        *(f"{word.capitalize()}: {names(named)}" for word, named in words.items() if named),
    )
    mark = HELD if missing or words[FLAPPING] else GOOD
    return Item(mark, group.title, f" {len(back)} of {len(members)} back, {', '.join(counts)}", lines, colon=True)


def _over(group: Storm, members: Sequence[Member]) -> Item:
    back = max(member.back_at for member in members if member.back_at is not None)
    span = back - min(member.since for member in members)
    return Item(GOOD, group.title, f" all {len(members)} back after {lasted(max(span, timedelta(0)))}", colon=True)


def names(given: Sequence[str], most: int = MOST_NAMES) -> str:
    """`a, b, c and 31 more`."""
    shown = [one_line(name) or "?" for name in given[:most]]
    more = f" and {len(given) - most} more" if len(given) > most else ""
    return ", ".join(shown) + more


def digest(told: Sequence[Told], when: When) -> tuple[Line, tuple[Line, ...]]:
    """What came in quiet hours: who is still gone, a line each, and who came and went, on one."""
    gone = [one for one in told if one.ended is None and ended_at(one) is None]
    over = [one for one in told if one not in gone]
    counts = [f"{len(gone)} offline now"] if gone else []
    counts += [f"{len(over)} came and went"] if over else []
    title = Line(f"{MORNING} {when.at(when.now)}: {', '.join(counts)}")
    lines = [
        Line(f"{ALERT} ", name_of(one.delivery.event), f" since {when.at(since_of(one.delivery.event))}")
        for one in gone
    ]
    if over:
        lines.append(Line(f"{GOOD} " + ", ".join(_span(one, when) for one in over)))
    return title, tuple(lines)


def _span(one: Told, when: When) -> str:
    event = one.delivery.event
    end: datetime = ended_at(one) or (one.ended.event.at if one.ended is not None else event.at)
    return f"{one_line(name_of(event))} {when.span(since_of(event), end)}"
