"""How often lines to copy report, so that who copies them is not called offline; and what cron can do of that. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from lastseen.monitor.deadline import INTERVALS

MINUTE: Final = timedelta(minutes=1)
SECOND: Final = timedelta(seconds=1)
LEAST: Final = timedelta(milliseconds=100)
"""The agent reports no more often."""

_PARTS_OF_AN_HOUR: Final = (30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1)
_PARTS_OF_A_DAY: Final = (12, 8, 6, 4, 3, 2, 1)

_NUMBERS: Final = r"(\*|\d+(-\d+)?)(/\d+)?"
_NAMES: Final = r"[a-z]{3}(-[a-z]{3})?"
_FIELD: Final = re.compile(rf"({_NUMBERS}|{_NAMES})(,({_NUMBERS}|{_NAMES}))*", re.IGNORECASE)


def pace(every: timedelta | None, limit: timedelta | None, usual: timedelta) -> timedelta:
    """`every`: what was said of it, which holds where it is shorter than `limit` (None: it may be silent for ever).
    Else a third of that, and at most `usual`."""
    if every is not None and (limit is None or every < limit):
        return max(every, LEAST)
    if limit is None:
        return usual
    third = limit / INTERVALS
    whole = SECOND if third >= SECOND else LEAST
    return max(min(third // whole * whole, usual), LEAST)


def by_cron(every: timedelta | None, limit: timedelta | None) -> tuple[str, timedelta] | None:
    """When, as a crontab has it, and how often that is: no less often than it must. None: cron cannot. Once a minute
    does for a limit of two, where nobody said more often."""
    wanted = pace(every, limit, MINUTE)
    if wanted < MINUTE and (wanted == every or limit is None or limit < 2 * MINUTE):
        return None
    minutes = max(wanted // MINUTE, 1)
    if minutes < 60:
        step = next(part for part in _PARTS_OF_AN_HOUR if part <= minutes)
        return ("* * * * *" if step == 1 else f"*/{step} * * * *"), step * MINUTE
    if minutes < 24 * 60:
        step = next(part for part in _PARTS_OF_A_DAY if part * 60 <= minutes)
        return ("0 * * * *" if step == 1 else f"0 */{step} * * *"), step * 60 * MINUTE
    return "0 0 * * *", timedelta(days=1)


def in_a_crontab(schedule: str) -> bool:
    """Whether every cron understands it: five fields without what some add, or `@daily` and the like."""
    fields = schedule.split()
    if len(fields) == 1:
        return fields[0].startswith("@")
    return len(fields) == 5 and all(_FIELD.fullmatch(field) for field in fields)


def is_calendar(schedule: str) -> bool:
    """Whether it is systemd's OnCalendar."""
    return len(schedule.split()) not in (5, 6) and not schedule.startswith("@")
