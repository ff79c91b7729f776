"""`/why`: the story of one machine, in the words of `lastseen why`."""

from __future__ import annotations

from collections.abc import Sequence

from lastseen.bot.desk import Desk
from lastseen.bot.updates import plain
from lastseen.bot.words import MARKS, Lines, Seen, several
from lastseen.errors import InvalidInput
from lastseen.manage.veil import veiled
from lastseen.model import Channel, Status
from lastseen.monitor.moment import named
from lastseen.monitor.story import Asked, story
from lastseen.monitor.story_layout import lines
from lastseen.notifiers.wording import LONGEST_LINE, Line
from lastseen.protocols import Accounts

NOT_KEPT = (Line("What happened is not kept here."),)


def when_asked(desk: Desk, text: str) -> tuple[str, Asked]:
    """`db-01 03:12`: the machine, and the time if there is one at the end. Raises InvalidInput for one to come."""
    now, zone = desk.clock.now(), desk.when.zone
    parts = text.split()
    for words in (2, 1):
        if len(parts) > words:
            try:
                since, until = named(" ".join(parts[-words:]), now, zone)
            except InvalidInput:
                continue
            return " ".join(parts[:-words]), Asked(since, until, now=False)
    return text, Asked(now, now)


async def told(desk: Desk, one: Seen, asked: Asked, here: Sequence[Channel]) -> Lines:
    """The story of this machine, as these channels of a chat may hear it. As long as a message may be: what is too much
    is counted."""
    if not isinstance(desk.store, Accounts):
        return NOT_KEPT
    when = desk.when
    facts = await desk.store.account(one.status.id, asked.since, asked.until, when.now)
    owners = {None, *(channel.owner_id for channel in here)}
    known = frozenset(channel.uid for channel in await desk.known() if channel.owner_id in owners)
    facts = veiled(facts, owners.__contains__, known)
    status = desk.monitor.described(facts.standing, when.now)
    found = lines(story(facts, status, asked, when), when, f"{MARKS[status.status]} ")
    return [Line(plain_mark(line.before), plain(line.bold), _plain(line.after)) for line in found]


def which(seen: Sequence[Seen]) -> Seen | None:
    """Of whom it is asked where nobody is named: the only one that is not as it should be."""
    bad = [one for one in seen if one.status.status in (Status.OFFLINE, Status.ERROR)]
    return bad[0] if len(bad) == 1 else None


def say_which(seen: Sequence[Seen]) -> Lines:
    bad = [one.status.slug for one in seen if one.status.status in (Status.OFFLINE, Status.ERROR)]
    of = f" Not as they should be: {several(bad)}." if bad else " Nothing is wrong now."
    return (Line(f"Say of which machine, and when if it is over: /why db-01, /why db-01 03:12.{of}"),)


def plain_mark(text: str) -> str:
    """Of a line's beginning: the space before the name stays."""
    return _plain(text) + (" " if text.endswith(" ") else "")


def _plain(text: str) -> str:
    return (" " if text.startswith(" ") else "") + plain(text, LONGEST_LINE)
