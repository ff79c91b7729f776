"""How long the agent waits: pure arithmetic over what the last answer was."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

JITTER = 0.1
"""An interval is taken ±10 %, so that machines that were started together do not report together for ever."""

FIRST_RETRY = 1.0
"""Seconds until the first retry, doubling from there."""

LONGEST_RETRY = 60.0
"""Seconds: a server that is back hears of this machine within about a minute."""

REFUSED_RETRY = 300.0
"""Seconds between tries while the key is refused: somebody has to do something first."""

LONGEST_RETRY_AFTER = 3600.0
"""Seconds: a `Retry-After` beyond this is not believed."""


class Kind(StrEnum):
    """What one try came to."""

    SENT = "sent"
    FAILED = "failed"  # may work later by itself
    REFUSED = "refused"  # 401 or 403: the key, or the machine is disabled
    MALFORMED = "malformed"  # 400, 413 or 422: this report will never be taken, a bare heartbeat may


@dataclass(frozen=True, slots=True)
class Answer:
    """One try's result. `detail` is for a person and holds no key; `retry_after` is the server's word, in seconds."""

    kind: Kind
    detail: str = ""
    retry_after: float | None = None


def wait(answer: Answer, failures: int, interval: float, chance: Callable[[], float] = random.random) -> float:
    """Seconds from the start of the last try to the next; `failures` in a row, this one included."""
    if answer.kind is Kind.SENT:
        return interval * (1 - JITTER + 2 * JITTER * chance())
    if answer.kind is Kind.REFUSED:
        planned = max(interval, REFUSED_RETRY)
    else:
        first, longest = min(FIRST_RETRY, interval), max(interval, min(LONGEST_RETRY, 8 * interval))
        planned = min(longest, first * 2 ** min(failures - 1, 20))
    # Half of it by chance: machines that lost the same server must not come back as one wave.
    spread = planned * (0.5 + chance() / 2)
    asked = min(answer.retry_after or 0.0, LONGEST_RETRY_AFTER)
    return max(spread, asked * (1 + JITTER * chance()))
