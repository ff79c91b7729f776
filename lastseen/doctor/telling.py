"""Who would be told, and who was not."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta

from lastseen.doctor.finding import Checked, Finding, Severity, counted, listed
from lastseen.doctor.plugins import blocking
from lastseen.doctor.subject import Subject
from lastseen.errors import InvalidInput, LastseenError, SecretsLocked
from lastseen.model.insight import ChannelCheck, Dead
from lastseen.model.wishes import matchable
from lastseen.notifiers.quiet import check_events
from lastseen.plugins import load_notifier
from lastseen.protocols import Notes, Wishes

LATE = timedelta(minutes=10)
"""A notification that should have been sent so long ago, on a channel that does not fail, is stuck."""

PAGE = 1000


async def channels(subject: Subject) -> Checked:
    found = (await subject.checkup()).channels
    works = [one for one in found if one.enabled and one.failing_since is None]
    findings = [*_nobody(found), *(finding for one in found for finding in _channel(subject, one))]
    findings += [finding for one in found if one.enabled for finding in await _usable(subject, one)]
    findings += await _untold(subject)
    findings += await _of_nothing(subject)
    findings += await blocking(subject)
    findings += await _bots(subject, found)
    findings += await _silenced(subject)
    summary = f"{len(works)} of {counted(len(found), 'channel')} in order" if found else "none"
    return Checked(summary, tuple(findings))


def _nobody(found: tuple[ChannelCheck, ...]) -> Iterator[Finding]:
    if not found:
        what = "there is no channel: nobody is told of anything"
        yield Finding(Severity.WARNING, "channels.none", what, "`lastseen channels add telegram|webhook|… --name NAME`")
    elif not any(one.enabled for one in found):
        what = "all channels are switched off: nobody is told of anything"
        yield Finding(Severity.BAD, "channels.off", what, "`lastseen channels enable NAME`")


def _channel(subject: Subject, one: ChannelCheck) -> Iterator[Finding]:
    name = f'channel "{one.name}" ({one.type})'
    if one.disabled_by == "far_end":
        what = (
            f"{name} was switched off because its far end will not have it: {one.disabled_reason or 'no reason given'}"
        )
        do = f"put it right and `lastseen channels enable {one.name}`, or `lastseen channels remove {one.name}`"
        yield Finding(Severity.BAD, "channel.disabled", what, do)
    elif one.enabled and one.failing_since is not None:
        waiting = f"; {counted(one.waiting, 'notification')} wait for it" if one.waiting else ""
        why = f": {one.detail}" if one.detail else ""
        what = f"{name} fails, since {subject.ago(one.failing_since)}{why}{waiting}"
        do = f"`lastseen channels test {shlex.quote(one.name)}` tries it; what waits is told when it works again"
        yield Finding(Severity.BAD, "channel.failing", what, do)
    elif one.enabled and one.due is not None and subject.now - one.due > LATE:
        what = f"{name}: {counted(one.waiting, 'notification')} should have been sent, the first {subject.ago(one.due)}"
        do = "does the server run, and can it send to this type of channel? Its log says why it does not"
        yield Finding(Severity.BAD, "channel.stuck", what, do)


async def _untold(subject: Subject) -> list[Finding]:
    """Such a wish is refused now: one that is older is still there, and the channel is silent without a word."""
    findings = []
    for channel in await subject.store.channels():
        try:
            check_events(channel.prefs)
        except InvalidInput as error:
            if channel.enabled:
                what = f'channel "{channel.name}" ({channel.type}) is not told all that it wishes for: {error.message}'
                do = (
                    f"say what it hears: `lastseen channels set {shlex.quote(channel.name)}` with --event or --severity"
                )
                findings.append(Finding(Severity.WARNING, "channel.untold", what, do))
    return findings


async def _of_nothing(subject: Subject) -> list[Finding]:
    """A slip, or of machines to come: until then it is told of no machine."""
    left = [one for one in await subject.store.channels() if one.enabled and one.prefs.machines.of_machines]
    after = 0
    while left and (page := await subject.store.machines(after, PAGE)):
        seen = [(standing.machine.owner, matchable(standing.machine)) for standing in page]
        left = [
            one
            for one in left
            if not any(one.hears_of(owner) and not one.prefs.machines.misses(it) for owner, it in seen)
        ]
        after = page[-1].machine.id
    findings = []
    for channel in left:
        what = f'channel "{channel.name}" ({channel.type}) hears of no machine: none is of {channel.prefs.machines}'
        do = f"`lastseen channels set {shlex.quote(channel.name)}` with --machine, --group, --tag or --kind"
        findings.append(Finding(Severity.WARNING, "channel.of_nothing", what, do))
    return findings


async def _silenced(subject: Subject) -> list[Finding]:
    """Who expects an alert that does not come wants to know. Not of mutes of one chat: those who are in it know."""
    if not isinstance(subject.store, Wishes):
        return []
    found = await subject.store.silences(subject.now)
    names = [
        f'"{one.name}" ({one.matcher}, for another {subject.span((one.ends_at - subject.now).total_seconds())})'
        for one in found
        if one.starts_at <= subject.now and not one.matcher.channels
    ]
    if not names:
        return []
    which = f"{counted(len(names), 'silence')} {'names' if len(names) == 1 else 'name'}"
    what = f"nothing is told of what {which}: {listed(names, shown=3)}"
    do = "`lastseen silences list` shows them, `lastseen silences end ID` ends one"
    return [Finding(Severity.HINT, "channels.silenced", what, do)]


async def _usable(subject: Subject, one: ChannelCheck) -> list[Finding]:
    """Is its plugin here, and can its secrets be read?"""
    if one.type == "code":
        return []
    name = f'channel "{one.name}" ({one.type})'
    try:
        load_notifier(one.type)
    except LastseenError as error:
        do = "install what brings it, for the server too, and restart the server"
        return [Finding(Severity.BAD, "channel.without_plugin", f"{name} cannot be sent to: {error}", do)]
    try:
        await subject.store.channel_secrets(one.uid)
    except SecretsLocked as error:
        do = (
            "put the old key back (LASTSEEN_SECRET_KEY or the key file); without it, remove the channel and add it anew"
        )
        return [Finding(Severity.BAD, "channel.locked", f"the secrets of {name} cannot be read: {error}", do)]
    return []


async def _bots(subject: Subject, found: tuple[ChannelCheck, ...]) -> list[Finding]:
    """Is what people write to the channels' bots read? Whoever reads them notes what keeps it from that."""
    if not isinstance(subject.store, Notes):
        return []
    findings = []
    for bot in sorted({await _bot(subject, one) for one in found if one.type == "telegram"} - {""}):
        trouble = await subject.store.note(f"poller:{bot}:trouble") or ""
        if trouble.startswith("409"):
            what = f"what people write to the Telegram bot {bot} is not read: {trouble}"
            do = "give lastseen a bot of its own, or set LASTSEEN_TELEGRAM_COMMANDS=false: alerts go out either way"
            findings.append(Finding(Severity.WARNING, "bot.unread", what, do))
    return findings


async def _bot(subject: Subject, one: ChannelCheck) -> str:
    try:
        secrets = await subject.store.channel_secrets(one.uid)
    except SecretsLocked:
        return ""
    return str(secrets.get("token", "")).partition(":")[0]


async def notifications(subject: Subject) -> Checked:
    found = await subject.checkup()
    waiting = sum(one.waiting for one in found.channels)
    summary = f"{counted(waiting, 'notification')} wait" if waiting else "all are told"
    if not found.dead_count:
        return Checked(summary)
    what = f"{counted(found.dead_count, 'notification')} given up within the last week: {_dead(found.dead)}"
    do = (
        "`lastseen notifications list --state dead` lists them, "
        "`lastseen notifications replay --state dead` tells them again"
    )
    return Checked(summary, (Finding(Severity.WARNING, "notifications.dead", what, do),))


def _dead(dead: tuple[Dead, ...]) -> str:
    return listed([f"{one.event} of {one.machine or '–'} to {one.channel} ({one.reason})" for one in dead], shown=2)
