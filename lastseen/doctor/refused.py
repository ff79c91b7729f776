"""Whose keys are refused, and keys that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from lastseen.doctor.finding import Finding, Severity, counted
from lastseen.doctor.subject import Subject
from lastseen.model.story import RefusedFor, RefusedKey, UnknownKeys
from lastseen.monitor.story_words import refused_advice, refused_words
from lastseen.notifiers.wording import When
from lastseen.protocols import Refusals

DAY = timedelta(days=1)
SHOWN = 5
"""Keys that have a finding of their own."""

MOST = 1000


async def refused(subject: Subject) -> list[Finding]:
    """Of the last day."""
    if not isinstance(subject.store, Refusals):
        return []
    since = subject.now - DAY
    known = await subject.store.refused_keys(since, MOST)
    return [*_known(subject, known), *_unknown(subject, await subject.store.unknown_keys(since))]


def _known(subject: Subject, found: Sequence[RefusedKey]) -> Iterator[Finding]:
    for one in found[:SHOWN]:
        times = f"{counted(one.count, 'request')} refused within the last day, the last {subject.ago(one.last_at)}"
        what = f"{_whose(one)}: {times}: {refused_words(one, When(subject.now))}"
        severity = Severity.HINT if one.reason is RefusedFor.DISABLED else Severity.WARNING
        yield Finding(severity, "keys.refused", what, refused_advice(one))
    if len(found) > SHOWN:
        what = f"{counted(len(found) - SHOWN, 'further key')} refused within the last day"
        yield Finding(Severity.WARNING, "keys.refused", what, "`lastseen why MACHINE` says it of one machine")


def _whose(one: RefusedKey) -> str:
    if one.machine is not None:
        return one.machine
    return f'{one.scope} key "{one.label}"' if one.label else f"a {one.scope} key"


def _unknown(subject: Subject, found: UnknownKeys) -> Iterator[Finding]:
    if found.last_at is None:
        return
    place = f", the last {subject.ago(found.last_at)}" + (f" from {found.address}" if found.address else "")
    what = f"{counted(found.count, 'request')} with a key that nobody knows within the last day{place}"
    do = (
        "see what reports from there: a key that was typed wrong, or one of another server; "
        "`lastseen machines rotate-key NAME` makes a new one"
    )
    yield Finding(Severity.WARNING, "keys.unknown", what, do)
