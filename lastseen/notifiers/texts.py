"""The texts, one function for each occasion. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from lastseen.durations import spell
from lastseen.model import Cause, Event, Status
from lastseen.notifiers import texts_flapping, texts_jobs, texts_sources, texts_system
from lastseen.notifiers.labels import label_of, place_of
from lastseen.notifiers.telling import (
    ALERT,
    DONE,
    FAULT,
    GOOD,
    PLAIN,
    WARNING,
    Item,
    Told,
    about_of,
    channel_of,
    ended_at,
    machine_of,
    moment,
    name_of,
    outage_of,
    reason_of,
    since_of,
    subject_of,
)
from lastseen.notifiers.wording import TITLE, When, lasted, one_line, shorten


def tell(told: Told, when: When) -> Item:
    """The words for it. Events of types that nobody here knows get sober ones."""
    teller = _TELLERS.get(told.delivery.event.type, _anything)
    return teller(told, when)


# -- machines


def _offline(told: Told, when: When) -> Item:
    event, reason = told.delivery.event, reason_of(told.delivery)
    if reason in texts_jobs.OFFLINE and texts_jobs.concerns(event, reason):
        return texts_jobs.OFFLINE[reason](told, when)
    since = since_of(event)
    over = ended_at(told)
    if over is not None:
        span = f"{when.span(since, over)} ({lasted(over - since)})"
        return Item(GOOD, name_of(event), f" was offline {span}", ("", about_of(event)), instead=True)
    if told.delivery.notification.cause is Cause.REMINDER:
        return _still_offline(told, when)
    goodbye = reason == "goodbye"
    tail = (" (said goodbye)" if goodbye else "") + (f" ({lasted(when.now - since)})" if told.late else "")
    return Item(
        mark=ALERT,
        name=name_of(event),
        after=f" offline since {when.at(since)}{tail}",
        lines=(_farewell(event) if goodbye else _last_heartbeat(event, when), about_of(event)),
        instead=True,
    )


def _still_offline(told: Told, when: When) -> Item:
    event, since = told.delivery.event, since_of(told.delivery.event)
    then = f" Next reminder {when.at(told.again_at)}, until someone acknowledges it." if told.again_at else ""
    return Item(
        ALERT, name_of(event), f" still offline: {lasted(when.now - since)}", (f"Since {when.at(since)}.{then}",)
    )


def _farewell(event: Event) -> str:
    return "Its broker reported it gone." if event.snapshot.get("by") == "broker" else "It said that it stops."


def _last_heartbeat(event: Event, when: When) -> str:
    seen = moment(machine_of(event).get("last_seen")) or event.last_seen
    if seen is None:
        return ""
    limit = event.snapshot.get("offline_after_seconds")
    tail = f", limit {spell(timedelta(seconds=limit))}" if isinstance(limit, int | float) else ""
    return f"Last heartbeat {when.at(seen, seconds=True)}{tail}."


def _online(told: Told, when: When) -> Item:
    event, outage = told.delivery.event, outage_of(told.delivery.event)
    started, ended = moment(outage.get("started_at")), moment(outage.get("ended_at")) or event.at
    if texts_jobs.was_overdue(event):
        return texts_jobs.finished(told, when)
    if started is not None:
        after = f" back after {lasted(ended - started)}"
        return Item(GOOD, name_of(event), after, (f"Offline {when.span(started, ended)}.",))
    if event.previous_status is Status.ERROR:
        return Item(GOOD, name_of(event), f" OK again after {lasted(event.at - since_of(event))}")
    return Item(GOOD, name_of(event), " is online", (about_of(event),))


def _error(told: Told, when: When) -> Item:
    event, since = told.delivery.event, since_of(told.delivery.event)
    if texts_jobs.run_of(event).get("outcome") == "fail":
        return texts_jobs.failed(told, when)
    said = one_line(str(event.snapshot.get("message") or ""))
    if told.ended is not None:
        ended = told.ended.event.at
        after = f" had an error {when.span(since, ended)} ({lasted(ended - since)})"
        return Item(GOOD, name_of(event), after, ("", said), instead=True)
    after = f": {said}" if said else " reports an error"
    whole = ""
    room = TITLE - len(f"{FAULT} {shorten(one_line(name_of(event)), 20)}: ")
    if len(said) > room:  # the rest of it below
        after, whole = f": {shorten(said, max(room, 10))}", said
    return Item(
        FAULT, name_of(event), after, (f"It still sends heartbeats. Since {when.at(since)}.", whole, about_of(event))
    )


def _acknowledged(told: Told, when: When) -> Item:
    return Item(PLAIN, name_of(told.delivery.event), f": acknowledged by {told.delivery.event.reason}")


def _steady(told: Told, when: When) -> Item:
    reminds = told.delivery.notification.cause is Cause.REMINDER and ended_at(told) is None
    return _still_offline(told, when) if reminds else texts_flapping.steady(told, when)


def _plain(after: str) -> Callable[[Told, When], Item]:
    def teller(told: Told, when: When) -> Item:
        return Item(PLAIN, name_of(told.delivery.event), after, (about_of(told.delivery.event),))

    return teller


# -- channels


def _channel_failing(told: Told, when: When) -> Item:
    snapshot, channel = told.delivery.event.snapshot, channel_of(told.delivery.event)
    reason = str(snapshot.get("message") or told.delivery.event.reason)
    kind = label_of(str(channel["type"])) if channel.get("type") else ""
    count = snapshot.get("waiting") or 0
    alerts = f"{count} alert{'' if count == 1 else 's'}"
    if snapshot.get("disabled"):
        follows = f" It is disabled{f', and {alerts} for it will not be sent' if count else ''}."
    else:
        follows = f" {alerts} wait{'s' if count == 1 else ''} for it." if count else ""
    since = moment(snapshot.get("since")) or told.delivery.event.at
    return Item(
        mark=WARNING,
        name=f'"{channel.get("name") or "?"}"',
        after=f" fails since {when.at(since)}",
        lines=(f"{kind}: {reason.rstrip('.')}.{follows}" if kind else f"{reason.rstrip('.')}.{follows}",),
        before="Channel ",
    )


def _channel_test(told: Told, when: When) -> Item:
    event = told.delivery.event
    count = event.snapshot.get("machines")
    whose = "all machines" if not isinstance(count, int) else f"all {count} machines" if count != 1 else "its 1 machine"
    channel = channel_of(event)
    name, place = channel.get("name") or "?", place_of(str(channel.get("type") or ""))
    return Item(
        DONE, "Test", f": this {place} works", (f'Channel "{name}" hears offline, online and error of {whose}.',)
    )


# -- whatever a plugin raises


def _anything(told: Told, when: When) -> Item:
    """Sober words: the subject, the type, and the message that it came with."""
    event = told.delivery.event
    said = one_line(str(event.snapshot.get("message") or ""))
    what = event.type.rpartition(".")[2].replace("_", " ") or event.type
    mark = WARNING if event.severity == "alert" else PLAIN
    subject = subject_of(event)
    if not subject:
        return Item(mark, what, f" at {when.at(event.at)}", (said or event.reason,))
    return Item(mark, subject, f": {shorten(what, 24)}", (said or event.reason, about_of(event)))


_TELLERS: Mapping[str, Callable[[Told, When], Item]] = {
    "machine.offline": _offline,
    "machine.online": _online,
    "machine.error": _error,
    "machine.acknowledged": _acknowledged,
    "machine.flapping": texts_flapping.flapping,
    "machine.steady": _steady,
    "machine.registered": _plain(" was added"),
    "machine.removed": _plain(" was removed"),
    "machine.paused": _plain(" is paused"),
    "machine.resumed": _plain(" is watched again"),
    "source.blind": texts_sources.blind,
    "source.restored": texts_sources.restored,
    "channel.failing": _channel_failing,
    "channel.test": _channel_test,
    "system.store_lost": texts_system.store_lost,
    "system.store_restored": texts_system.store_restored,
    "system.disk_low": texts_system.disk_low,
    "system.disk_ok": texts_system.disk_ok,
    "system.machine_never_reported": texts_system.never_reported,
    "system.no_channel": texts_system.no_channel,
    "system.channel_back": texts_system.channel_back,
}
