"""The Redis server that the settings name: nothing is lost without it, so it is a warning when it is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lastseen.doctor.finding import Checked, Finding, Severity

_DO = (
    "is it there, and do address, name and password fit? LASTSEEN_REDIS_URL has them; until then everything is read "
    "from the database, and nodes count rates each for itself"
)


async def redis(ask: Callable[[], Awaitable[str]]) -> Checked:
    """`ask` says why it does not answer; "": it does."""
    reason = await ask()
    if not reason:
        return Checked("it answers")
    what = f"the Redis server cannot be asked from here: {reason}"
    return Checked("it does not answer", (Finding(Severity.WARNING, "redis.away", what, _DO),))
