"""What became of those in a storm of whom no return is told: they need not be silent."""

from __future__ import annotations

from lastseen.model import Standing, Status
from lastseen.notifiers.storms import Member, Storm
from lastseen.protocols import Store

LOOKED_AT = 200
"""Members of a storm that are asked for, those whose return was not told first."""

FLAPPING, PAUSED, REMOVED = "flapping", "paused", "removed"


async def look(store: Store, storm: Storm) -> None:
    """Learn what each is now. Of one that flaps people are told no changes, of one that was paused or removed no
    return: what was told of it last may be long over."""
    ordered = sorted(storm.members, key=lambda machine: storm.members[machine].back_at is not None)
    asked = ordered[:LOOKED_AT]
    known = await store.liveness(asked)
    for machine in asked:
        storm.members[machine].word = word_of(storm.members[machine], known.get(machine))


def word_of(member: Member, now: Standing | None) -> str:
    """Empty where it is as it was told: silent, or back."""
    there = now is not None and now.liveness.status is Status.ONLINE
    if now is not None and now.liveness.flapping_since is not None and not (there and member.back_at is not None):
        return FLAPPING
    if member.back_at is not None:
        return ""
    if now is None:
        return REMOVED
    return PAUSED if now.liveness.status is Status.PAUSED else ""
