"""Saying again what was said: somebody has seen it, and the messages that tell of it are to show that.

The words of an edited message are never read back from a far end. They are composed anew, from the storm that is in
memory or from what is written down of the notifications that the message delivered, and who has seen it is a part of
them: so it stays in whatever the message is edited to later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lastseen.model import Cause, Delivery, EventType
from lastseen.notifiers.storms import Part, Storms, group_of, recalled
from lastseen.protocols import Spoken, Store


@dataclass(frozen=True, slots=True)
class Saying:
    """A message that is to be changed: its receipt, what it tells of, and when it was told."""

    receipt: str
    deliveries: Sequence[Delivery]
    part: Part | None
    told_at: datetime


async def sayings(
    store: Store, storms: Storms, channel: str, seen: Sequence[Delivery], now: datetime
) -> Sequence[Saying]:
    """The newest message on this channel about each of these acknowledgements, each message once."""
    found: dict[str, Saying] = {}
    for delivery in seen:
        part = storms.seen(channel, delivery.event)
        saying = None
        if part is not None and part.edits is not None:
            saying = Saying(part.edits, [delivery], part, now)
        elif isinstance(store, Spoken) and delivery.event.incident is not None:
            saying = _recalled(channel, await store.spoken(channel, delivery.event.incident), now)
        if saying is not None:
            found[saying.receipt] = saying
    return list(found.values())


def _recalled(channel: str, given: Sequence[Delivery], now: datetime) -> Saying | None:
    """The last of these is of the message, and those with the same receipt; others were told of with it."""
    if not given or given[-1].notification.receipt is None:
        return None
    last = given[-1]
    receipt = last.notification.receipt or ""
    own = [one for one in given if one.notification.receipt == receipt]
    group = [one for one in given if _gathered(one) and group_of(one.event) == group_of(last.event)]
    if all(one in group for one in own) and len({one.event.machine_id for one in group}) > 1:
        part = recalled(channel, group, receipt)
        return Saying(receipt, own, part, now)
    return Saying(receipt, own, None, last.notification.finished_at or now)


def _gathered(delivery: Delivery) -> bool:
    return delivery.event.type == EventType.OFFLINE and delivery.notification.cause is Cause.FIRST
