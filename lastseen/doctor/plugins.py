"""What is installed, and what of it does not do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from lastseen.doctor.finding import Checked, Finding, Severity, counted
from lastseen.doctor.subject import Subject
from lastseen.notifiers.blockers import blocked
from lastseen.plugins import Found, installed
from lastseen.protocols import Notes

RECENT = timedelta(days=7)
"""What a plugin did longer ago is not spoken of."""


async def plugins(subject: Subject) -> Checked:
    found = installed()
    packages = {one.distribution for one in found}
    summary = (
        f"{counted(len(found), 'notifier or store', 'notifiers and stores')} of {counted(len(packages), 'package')}"
    )
    return Checked(summary, tuple(_broken(found)))


def _broken(found: list[Found]) -> Iterator[Finding]:
    for one in found:
        if one.error is None:
            continue
        what = f"{one.kind} {one.name!r} of {one.distribution} cannot be used: {one.error}"
        if one.error.startswith("the name is taken"):
            do = "one of the two packages is to give it another name; until then the other is used"
            yield Finding(Severity.HINT, "plugin.name_taken", what, do)
        else:
            do = "`lastseen plugins` lists what works; update that package, install what it lacks, or remove it"
            yield Finding(Severity.WARNING, "plugin.broken", what, do)


async def blocking(subject: Subject) -> list[Finding]:
    """Channels whose notifier held up everything, as the server has written it down."""
    if not isinstance(subject.store, Notes):
        return []
    findings = []
    for one in (await subject.checkup()).channels:
        held = await blocked(subject.store, one.name)
        if held is not None and subject.now - held.at <= RECENT:
            what = (
                f'channel "{one.name}" ({one.type}) held up everything for {held.seconds:g} s, '
                f"{subject.ago(held.at)}: heartbeats waited meanwhile"
            )
            do = "tell the makers of its plugin: it waits without awaiting; `blocking = True` runs it in a thread"
            findings.append(Finding(Severity.WARNING, "channel.blocks", what, do))
    return findings
