"""Who listens, what is heard, and what cannot be placed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta

import httpx

from lastseen.doctor.finding import Checked, Finding, Severity, counted, listed
from lastseen.doctor.refused import refused
from lastseen.doctor.subject import Serving, Subject
from lastseen.model.insight import Named, SourceCheck, Stranger

ALIVE = timedelta(seconds=60)
"""A listener marks every 5 s that it hears. One that has not for so long does not."""

PATIENCE = 3.0
"""Seconds that the server may take to answer."""

SOON = timedelta(hours=1)
"""A machine that was added just now has not reported, and nothing is wrong."""

DAY = timedelta(days=1)
START = "start it: `systemctl start lastseen`, or `lastseen serve`"

# --- the server -------------------------------------------------------------------------------------------------------


async def server(subject: Subject) -> Checked:
    """Does one run, does it write, does it answer?"""
    serving = subject.site.serving
    marks = [one.alive_at for one in (await subject.checkup()).sources if one.alive_at is not None]
    newest = max(marks, default=None)
    writes = newest is not None and subject.now - newest <= ALIVE
    if serving.held is False or (serving.held is None and not writes):
        when = "ever did" if newest is None else f"has since {subject.ago(newest)}"
        what = f"no server runs on this database, and none {when}: nobody is watched"
        return Checked("none runs", (Finding(Severity.BAD, "server.stopped", what, START),))
    who = f"process {serving.pid}" if serving.pid else "it"
    if not writes:
        when = "yet" if newest is None else f"for {subject.span((subject.now - newest).total_seconds())}"
        what = f"the server ({who}) runs, and has not written {when}"
        do = "look into its log: a disk that is full, a file that it may not write, a process that is stopped"
        return Checked("it does not write", (Finding(Severity.BAD, "server.stuck", what, do),))
    return await _asked(serving, who)


async def _asked(serving: Serving, who: str) -> Checked:
    """`/readyz`, where the address is known."""
    if serving.url is None:
        return Checked(f"{who} runs")
    try:
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
            answer = await client.get(f"{serving.url}/readyz")
    except httpx.HTTPError as error:
        what = f"the server ({who}) does not answer at {serving.url}: {type(error).__name__}"
        do = "look into its log; a firewall or another network name space may be in the way"
        return Checked(f"{who} runs", (Finding(Severity.WARNING, "server.silent", what, do),))
    if answer.status_code == 200:
        return Checked(f"{who} is ready at {serving.url}")
    try:
        parts = answer.json()["parts"]
        why = "; ".join(f"{part}: {reason}" for part, reason in parts.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        why = f"it answered {answer.status_code}"
    what = f"the server ({who}) is not ready: {why}"
    return Checked(f"{who} is not ready", (Finding(Severity.BAD, "server.not_ready", what, "look into its log"),))


# --- sources ----------------------------------------------------------------------------------------------------------

_REASONS = {
    "link": "is the broker there, and do address, user and password fit? see `lastseen sources show NAME`",
    "store": "the database could not be written: look at the disk and into the server's log",
    "stalled": "the process did not run: the computer slept, or is overloaded",
    "clock": "the clock jumped: see what sets it",
    "uplink": "our own connection was down: nobody was blamed meanwhile",
    "stopped": "the server was stopped meanwhile",
}
WORTH_A_WORD = {"link": 600.0, "store": 5.0, "stalled": 60.0, "uplink": 600.0, "clock": 60.0}
"""Seconds of the last day, by reason, from which on they are mentioned. Being stopped is somebody's own doing."""


async def sources(subject: Subject) -> Checked:
    found = (await subject.checkup()).sources
    findings = [finding for source in found for finding in _source(subject, source)]
    for probe in subject.site.probes:
        findings += await probe()
    hearing = sum(1 for source in found if source.blind_since is None and _listens(subject, source))
    return Checked(f"{hearing} of {counted(len(found), 'source')} can hear", tuple(findings))


def _listens(subject: Subject, source: SourceCheck) -> bool:
    return source.alive_at is not None and subject.now - source.alive_at <= ALIVE


def _source(subject: Subject, source: SourceCheck) -> Iterator[Finding]:
    name = f'source "{source.name}"'
    if source.paused:
        what = f"{name} is paused: nobody listens to it, and who was heard on it alone is not found silent"
        yield Finding(
            Severity.WARNING,
            "source.paused",
            what,
            f"`lastseen sources resume {shlex.quote(source.name)}` when it is to be heard again",
        )
        return
    if source.blind_since is not None:
        what = f"{name} has heard nobody since {subject.ago(source.blind_since)} ({source.blind_reason})"
        yield Finding(Severity.BAD, "source.blind", what, _REASONS.get(source.blind_reason, ""))
    elif source.kind == "mqtt" and not _listens(subject, source) and subject.site.serving.held:
        what = f"{name} is set up, and the running server does not listen to it"
        yield Finding(Severity.BAD, "source.unheard", what, "restart the server, and look into its log")
    for reason, seconds in source.blind_today.items():
        if seconds >= WORTH_A_WORD.get(reason, float("inf")) and reason != source.blind_reason:
            what = f"{name} could hear nobody for {subject.span(seconds)} of the last day ({reason})"
            yield Finding(Severity.WARNING, "source.was_blind", what, _REASONS[reason])
    yield from _strangers(subject, source, name)


def _strangers(subject: Subject, source: SourceCheck, name: str) -> Iterator[Finding]:
    unknown = [one for one in source.strangers if one.kind == "unknown"]
    if unknown:
        names = listed([one.name for one in unknown])
        what = f"{name} hears {counted(len(unknown), 'name')} that no machine has: {names}"
        do = "add what you want to watch, or let the source add machines itself (`--auto-add`)"
        yield Finding(Severity.HINT, "source.unknown_names", what, do)
    malformed = [one for one in source.strangers if one.kind == "malformed"]
    if malformed:
        recent = any(subject.now - one.last_at <= DAY for one in malformed)
        what = f"{name} could not read {counted(sum(one.heard for one in malformed), 'message')}: {_why(malformed)}"
        do = "see what these devices send, and whether the binding fits"
        yield Finding(Severity.WARNING if recent else Severity.HINT, "source.malformed", what, do)


def _why(malformed: list[Stranger]) -> str:
    return listed([f"{one.name} ({one.detail})" if one.detail else one.name for one in malformed], shown=3)


# --- machines and keys ------------------------------------------------------------------------------------------------


async def machines(subject: Subject) -> Checked:
    found = await subject.checkup()
    if not found.machines:
        none = Finding(Severity.HINT, "machines.none", "there are no machines yet", "`lastseen machines add NAME`")
        return Checked("none yet", (none,))
    return Checked(counted(found.machines, "machine"), tuple(_unheard(subject, found.unheard)))


def _unheard(subject: Subject, unheard: Named) -> Iterator[Finding]:
    """Machines that never reported cannot go offline: nobody would be told."""
    old = [name for name, added in unheard.rows if added is None or subject.now - added > SOON]
    if old:
        count = unheard.count - (len(unheard.rows) - len(old))
        what = f"{counted(count, 'machine')} never reported, and cannot be missed: {listed(old, count)}"
        do = "does the agent run there, with its own key? `lastseen machines remove NAME` where there is none any more"
        yield Finding(Severity.WARNING, "machines.unheard", what, do)
    new = [name for name, added in unheard.rows if name not in old]
    if new and not old:
        what = (
            f"{counted(unheard.count, 'machine')} added within the hour and not heard yet: {listed(new, unheard.count)}"
        )
        yield Finding(Severity.HINT, "machines.new", what, "let it report; then it is watched")


async def keys(subject: Subject) -> Checked:
    found = await subject.checkup()
    over = found.expired.count + found.expired_keys.count
    summary = f"{counted(over, 'key')} expired" if over else "none has expired"
    findings = (*_keys(found.expired, found.expiring, found.expired_keys), *await refused(subject))
    return Checked(summary, findings)


def _keys(expired: Named, expiring: Named, others: Named) -> Iterator[Finding]:
    rotate = "`lastseen machines rotate-key NAME` makes a new one"
    if expired.count:
        what = (
            f"the key of {counted(expired.count, 'machine')} has expired, and heartbeats are refused: {_names(expired)}"
        )
        yield Finding(Severity.BAD, "keys.expired", what, rotate)
    if expiring.count:
        what = f"the key of {counted(expiring.count, 'machine')} expires within a week: {_names(expiring)}"
        yield Finding(Severity.WARNING, "keys.expiring", what, rotate)
    if others.count:
        what = f"{counted(others.count, 'key')} of programs or fleets expired: {_names(others)}"
        yield Finding(Severity.HINT, "keys.over", what, "`lastseen keys list`, then `lastseen keys revoke ID`")


def _names(of: Named) -> str:
    return listed([name for name, _ in of.rows], of.count)
