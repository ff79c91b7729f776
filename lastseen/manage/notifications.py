"""Who was told what, and who was not; telling again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lastseen.errors import ConfigurationError, NotFound
from lastseen.manage.channels import find as find_channel
from lastseen.manage.events import page_through
from lastseen.manage.machines import LARGEST_ID, find, id_in
from lastseen.manage.office import Office
from lastseen.model.directory import Leaf
from lastseen.model.story import GivenUp, Told, Which
from lastseen.model.words import NotificationState
from lastseen.protocols import Replays
from lastseen.words import say

AT_ONCE = 500
NEWEST = 10_000
"""Among so many one is looked for by its uid."""


async def page(
    office: Office,
    *,
    state: str | None = None,
    channel: str | None = None,
    machine: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """`{"items": […], "next": …}`, the newest first. `since`: what ended then or later, or was made. Raises
    UnknownMachine, UnknownChannel, InvalidInput."""
    leaf = Leaf(
        machine=None if machine is None else (await find(office, machine)).machine.id,
        channel=None if channel is None else (await find_channel(office, channel)).id,
        state=None if state is None else NotificationState(state),
        since=since,
        limit=limit,
    )
    return await page_through(office, office.store.said, leaf, cursor)


async def which(office: Office, channel: str | None, machine: str | None, since: datetime | None) -> Which:
    """Raises UnknownMachine."""
    ref = None if machine is None else (await find(office, machine)).machine.id
    return Which(channel, ref, since)


async def listed(
    office: Office, those: Which, state: NotificationState | None = None, limit: int = 100
) -> list[Mapping[str, Any]]:
    """The newest first, for who sees everything. Raises Forbidden."""
    office.who.must_be_admin()
    return list(await _replays(office).told(those, state, limit))


async def found(
    office: Office,
    state: str | None = None,
    channel: str | None = None,
    machine: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """The same by these names, those of removed channels too. Raises UnknownMachine, UnknownChannel, Forbidden."""
    those = await which(office, channel, machine, since)
    chosen = None if state is None else NotificationState(state)
    return [dict(one) for one in await listed(office, those, chosen, limit)]


async def given_up(office: Office, those: Which, limit: int) -> GivenUp:
    """What `replay_dead` would tell again. Raises Forbidden, UnknownChannel."""
    return await _replays(office).given_up(_theirs(office, those), limit)


async def may_be_told_again(office: Office, told: Sequence[Told]) -> Mapping[int, int]:
    """Those of them that `replay_dead` would tell again, by id, and the ids of their channels: for who may change
    nothing, none."""
    ids = tuple(row.id for row in told if row.id and row.state == NotificationState.DEAD)
    if not ids or not office.who.edits_something or not isinstance(office.store, Replays):
        return {}
    found = await given_up(office, Which(ids=ids), len(ids))
    return {row["id"]: row["channel_id"] for row in found.rows}


async def replay(office: Office, ref: str) -> dict[str, Any]:
    """Tell one again, by its id or its uid: a new notification of the same event for the same channel. Raises NotFound,
    Forbidden, Conflict (its channel is off)."""
    number = await _id(office, ref)
    row = await _row(office, number)
    if row is None:
        raise NotFound(say("no notification {number}", number=number))
    channel = next((one for one in await office.store.channels() if one.id == row["channel_id"]), None)
    office.who.must_edit(None if channel is None else channel.owner_id)
    replaying = office.store.replay(number, office.monitor.clock.now())
    return dict(await office.do(replaying, "notifications.replay", f"notification {number}"))


async def replay_dead(office: Office, those: Which, most: int) -> Sequence[Mapping[str, Any]]:
    """Tell up to `most` of what was given up again, of what who asks may see and change. Raises Forbidden,
    UnknownChannel."""
    those = _theirs(office, those)
    done: list[Mapping[str, Any]] = []
    while len(done) < most:
        now = office.monitor.clock.now()
        some = await office.do(
            _replays(office).replay_dead(those, now, min(AT_ONCE, most - len(done))),
            "notifications.replay",
            lambda some: "what was given up" if some else None,
            lambda some: {"told": len(some)},
        )
        if not some:
            break
        done += some
    return done


async def again(
    office: Office,
    channel: str | None = None,
    machine: str | None = None,
    since: datetime | None = None,
    *,
    most: int = AT_ONCE,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Tell up to `most` of what was given up again, or with `dry_run` only say which: `found` could be told, `replayed`
    are, `left` are still to be; `again` were told since, `off` are of channels that are off or gone. Raises Forbidden,
    UnknownMachine, UnknownChannel."""
    those = await which(office, channel, machine, since)
    found = await given_up(office, those, most if dry_run else 0)
    made = [] if dry_run else await replay_dead(office, those, most)
    return {
        "dry_run": dry_run,
        "found": found.count,
        "replayed": len(made),
        "left": max(found.count - len(made), 0),
        "again": found.again,
        "off": found.off,
        "notifications": [dict(one) for one in (found.rows if dry_run else made)],
    }


def _theirs(office: Office, those: Which) -> Which:
    """Who may change something may change all that they see. Raises Forbidden."""
    office.who.must_edit()
    return replace(those, seen_by=office.who.seen_by)


async def _row(office: Office, number: int) -> Mapping[str, Any] | None:
    """Where who asks may see it."""
    before = min(number, LARGEST_ID - 1) + 1
    for one in await office.store.said(Leaf(before=before, seen_by=office.who.seen_by, limit=1)):
        if one["id"] == number:
            return dict(one)
    return None


async def _id(office: Office, text: str) -> int:
    number = id_in(text)
    if number is not None:
        return number
    for one in await office.store.said(Leaf(seen_by=office.who.seen_by, limit=NEWEST)):
        if one["uid"] == text:
            return int(one["id"])
    raise NotFound(
        say("no notification {text!r} among the newest 10,000: see `lastseen notifications list`", text=text)
    )


def _replays(office: Office) -> Replays:
    if not isinstance(office.store, Replays):
        raise ConfigurationError(say("this store does not list what was told"))
    return office.store
