"""What is kept: how many rows there are, since when, and what grows."""

from __future__ import annotations

from lastseen.doctor.finding import Checked, Finding, Severity
from lastseen.doctor.subject import Subject
from lastseen.model.retention import TableSize

COUNTED = 1_000_000
"""Rows of one table that are counted, at most. So many in a week are worth a word: in a year they are 50 GB or more."""

DAYS = 7


async def history(subject: Subject) -> Checked:
    """A line a table would be many: the three that grow fastest."""
    sizes = [one for one in (await subject.checkup()).tables if one.rows]
    if not sizes:
        return Checked("nothing has happened yet")
    oldest = min(one.oldest for one in sizes if one.oldest is not None)
    total = sum(one.rows for one in sizes)
    fastest = sorted(sizes, key=lambda one: one.recent, reverse=True)[:3]
    summary = f"{total:,} rows since {oldest:%Y-%m-%d}; a day: " + ", ".join(_rate(one) for one in fastest)
    return Checked(summary, tuple(_too_many(one) for one in fastest if one.recent >= COUNTED))


def _rate(one: TableSize) -> str:
    return f"{one.recent / DAYS:,.0f} of {one.name} ({_rows(one)})"


def _rows(one: TableSize) -> str:
    return f"over {COUNTED:,}" if one.rows >= COUNTED else f"{one.rows:,}"


def _too_many(one: TableSize) -> Finding:
    what = f"over {COUNTED / DAYS:,.0f} rows a day come to {one.name}: the database grows by that until they are old"
    do = "see docs/retention.md for how long they are kept; `lastseen events` shows which machines change all the time"
    return Finding(Severity.WARNING, "history.grows", what, do)
