"""What happens, from one position to the next.

With PostgreSQL the ids of events are no order of commits. What is between the ids that are seen is a gap, until every
transaction that had begun when the gap was seen has ended: what did not come by then was rolled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from lastseen.model.seen import Followed, Gap, Seen, Sequel, between, common, joined, without
from lastseen.storage import dialect as sql
from lastseen.storage.rows import channels, events, machines
from lastseen.storage.sql_history import as_event_printed

BACK = 10_000
"""Ids below the greatest among which somebody may still commit some when the first position is taken."""

_PRINTED = (
    select(events, machines.c.slug, func.coalesce(machines.c.owner_id, channels.c.owner_id).label("whose"))
    .outerjoin(machines, machines.c.id == events.c.machine_id)
    .outerjoin(channels, channels.c.id == events.c.channel_id)
    .order_by(events.c.id)
)


def seen_all(connection: Connection) -> Seen:
    """`Follows.seen_all`."""
    top: int = connection.execute(select(func.max(events.c.id))).scalar() or 0
    known = select(events.c.id).where(events.c.id > top - BACK).order_by(events.c.id)
    gaps = between(max(top - BACK, 0), connection.execute(known).scalars().all())
    return Seen(top, joined(_asked(connection, gaps)))


def sequel(connection: Connection, seen: Seen, limit: int, within: Seen | None) -> Sequel:
    """`Follows.sequel`."""
    late = _late(connection, seen.gaps, limit)
    gaps = without(seen.gaps, [row.id for row in late])
    if len(late) == limit:
        return Sequel(_followed(late), Seen(seen.top, joined(gaps)), more=True)
    new = _new(connection, seen.top, limit - len(late), within)
    more = len(late) + len(new) == limit
    if within is None:
        top = new[-1].id if new else seen.top
        gaps += between(seen.top, [row.id for row in new])
        open_ = _asked(connection, _not_settled(connection, gaps))
    else:
        top = new[-1].id if more and new else within.top
        came = [row.id for row in new]  # of what was a gap there, some may be committed by now
        open_ = common([*gaps, *without([Gap(seen.top + 1, top)], came)], within.gaps)
    return Sequel(_followed([*late, *new]), Seen(top, joined(open_)), more)


def _late(connection: Connection, gaps: Sequence[Gap], limit: int) -> Sequence[Any]:
    """What is in the gaps now."""
    if not gaps:
        return []
    inside = or_(*(events.c.id.between(gap.first, gap.last) for gap in gaps))
    span = events.c.id.between(gaps[0].first, gaps[-1].last)  # the index is read from here to there, and no further
    return connection.execute(_PRINTED.where(and_(span, inside)).limit(limit)).all()


def _new(connection: Connection, top: int, limit: int, within: Seen | None) -> Sequence[Any]:
    query = _PRINTED.where(events.c.id > top)
    if within is not None:
        query = query.where(events.c.id <= within.top)
    return connection.execute(query.limit(limit)).all()


def _not_settled(connection: Connection, gaps: Sequence[Gap]) -> Sequence[Gap]:
    if not any(gap.horizon for gap in gaps):
        return gaps
    ended = sql.of(connection).ended_below(connection)
    return [gap for gap in gaps if gap.horizon is None or gap.horizon > ended]


def _asked(connection: Connection, gaps: Sequence[Gap]) -> Sequence[Gap]:
    """With a horizon each. Asked after the gaps were seen: whoever has their ids has begun. Nothing is left where none
    can be filled."""
    if all(gap.horizon for gap in gaps):
        return gaps
    horizon = sql.of(connection).horizon(connection)
    return [] if horizon is None else [gap._replace(horizon=gap.horizon or horizon) for gap in gaps]


def _followed(rows: Sequence[Any]) -> list[Followed]:
    return [Followed(as_event_printed(row), row.whose) for row in rows]
