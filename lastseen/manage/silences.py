"""Spans in which events of some machines are recorded and not told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from lastseen.clock import rfc3339
from lastseen.manage.office import Office
from lastseen.model import Matcher, Silence


async def add(
    office: Office, name: str, lasting: timedelta, matcher: Matcher, by: str, start: datetime | None = None
) -> dict[str, Any]:
    """From `start`, or from now, for as long; of machines whosever they are. Raises InvalidInput, Forbidden."""
    office.who.must_edit()
    now = office.monitor.clock.now()
    begins = start or now
    adding = office.store.add_silence(Silence(name, begins, begins + lasting, matcher, by), now)
    said = {"name": name, "machines": str(matcher)}
    return describe(await office.do(adding, "silences.add", lambda made: f"silence {made.id}", said))


async def listed(office: Office) -> list[dict[str, Any]]:
    """Those that are not over."""
    return [describe(one) for one in await office.store.silences(office.monitor.clock.now())]


async def end(office: Office, silence: int) -> dict[str, Any]:
    """Now: what is still so is told. Raises NotFound, Forbidden."""
    office.who.must_edit()
    ending = office.store.end_silence(silence, office.monitor.clock.now())
    return describe(await office.do(ending, "silences.end", f"silence {silence}", lambda ended: {"name": ended.name}))


def describe(silence: Silence) -> dict[str, Any]:
    """`machines`: in words; `matcher`: what it names, by field. `one_chat`: somebody muted it for one chat alone."""
    named = {name: list(getattr(silence.matcher, name)) for name in ("groups", "tags", "kinds", "names")}
    return {
        "id": silence.id,
        "name": silence.name,
        "starts_at": rfc3339(silence.starts_at),
        "ends_at": rfc3339(silence.ends_at),
        "machines": str(silence.matcher),
        "matcher": {name: words for name, words in named.items() if words},
        "one_chat": bool(silence.matcher.channels),
        "created_by": silence.created_by,
    }
