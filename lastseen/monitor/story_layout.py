"""A story for a terminal, for a chat, and for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lastseen.clock import rfc3339
from lastseen.model.fate import fate
from lastseen.model.story import Facts, RefusedKey
from lastseen.monitor.story import Story
from lastseen.monitor.story_words import Moment, Said, to_nobody
from lastseen.notifiers.wording import Line, When
from lastseen.words import Words


def printed(told: Mapping[str, Any], when: When) -> str:
    """What `as_dict` says, for a terminal: times in one column, who was told below each event in columns."""
    rows = [(_span(moment, when), moment) for moment in told["timeline"]]
    width = max((len(times) for times, _ in rows), default=0)
    said = [one for _, moment in rows for one in moment["told"]]
    names, types = (max((len(one[name]) for one in said), default=0) for name in ("channel", "channel_type"))
    out = [f"{told['machine']}  {told['headline']}"]
    if rows or told["notes"]:
        out.append("")
    for times, moment in rows:
        number = moment["event_id"]
        out.append(f"{times:<{width}}  {moment['what']}" + (f"   event {number}" if number else ""))
        columns = (
            f"{one['channel']:<{names}}  {one['channel_type']:<{types}}  {one['said']}" for one in moment["told"]
        )
        below = [moment["to_nobody"]] if moment["to_nobody"] else columns
        out += [f"{'':<{width}}  {line}" for line in below]
        if moment["do"]:
            out.append(f"{'':<{width}}  {moment['do']}")
    return "\n".join([*out, *told["notes"]])


def _span(moment: Mapping[str, Any], when: When) -> str:
    at, until = (moment[name] and datetime.fromisoformat(moment[name]) for name in ("at", "until"))
    return _times(at, until, moment["lasts"], when)


def span(moment: Moment, when: When) -> Words:
    """`03:02:12`, `03:10 →` where it goes on, `03:00–03:40`."""
    return _times(moment.at, moment.until, moment.lasts, when)


def _times(at: datetime, until: datetime | None, lasts: bool, when: When) -> Words:
    if lasts:
        return Words("{at} →", at=when.said(at))
    if until is None or until == at:
        return when.said(at, seconds=True)
    return when.said_span(at, until)


def lines(told: Story, when: When, mark: str = "") -> tuple[Line, ...]:
    """For a chat: the name in bold, nothing in columns."""
    out = [Line(mark, told.name, f" {told.headline}")]
    for moment in told.moments:
        out.append(Line(f"{span(moment, when)} {moment.what}"))
        brief = to_nobody(moment)
        said = [brief] if brief else [f"{one.row.channel}: {one.words}" for one in moment.told]
        out += [Line(f"– {line}".replace("`", "")) for line in said]
        out += [Line(moment.do.replace("`", ""))] if moment.do else []
    return (*out, *(Line(note.text.replace("`", "")) for note in told.notes))


def as_dict(told: Story) -> dict[str, Any]:
    """For programs: the facts, and the words of them. JSON values only."""
    facts = told.facts
    stretch = {"since": rfc3339(facts.start), "until": rfc3339(facts.end)}
    return {
        "machine": told.name,
        "status": told.status.as_dict() if facts.removed_at is None else None,
        "removed_at": rfc3339(facts.removed_at),
        "asked": None if told.asked.now else {"since": rfc3339(told.asked.since), "until": rfc3339(told.asked.until)},
        "incident_id": facts.numbers.get(facts.incident or "") or facts.incident,
        **stretch,
        "headline": told.headline,
        "timeline": [_moment(moment, facts) for moment in told.moments],
        "notes": [note.text for note in told.notes],
        "refused": [_refused(one) for one in facts.refused],
        "complete": not facts.cut,
    }


def _moment(moment: Moment, facts: Facts) -> dict[str, Any]:
    event = moment.event
    return {
        "at": rfc3339(moment.at),
        "until": rfc3339(moment.until),
        "lasts": moment.lasts,
        "what": moment.what,
        "do": moment.do,
        "to_nobody": to_nobody(moment) or None,
        "event_id": None if event is None else facts.numbers.get(event.uid),
        "type": None if event is None else event.type,
        "told": [_told(one) for one in moment.told],
    }


def _told(one: Said) -> dict[str, Any]:
    row = one.row
    return {
        "notification_id": row.id or None,
        "uid": row.uid,
        "channel": row.channel,
        "channel_type": row.channel_type,
        **fate(row),
        "tries": [{"at": rfc3339(try_.at), "outcome": try_.outcome, "detail": try_.detail} for try_ in row.tries],
        "said": one.words,
    }


def _refused(one: RefusedKey) -> dict[str, Any]:
    return {
        "key_id": one.key_id,
        "scope": one.scope,
        "hint": one.hint,
        "label": one.label,
        "machine": one.machine,
        "reason": one.reason.value,
        "replaced": one.replaced,
        "ended_at": rfc3339(one.ended_at),
        "count": one.count,
        "first_at": rfc3339(one.first_at),
        "last_at": rfc3339(one.last_at),
    }
