"""Sending a test message through a channel, now, and saying what the far end answered."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import anyio

from lastseen.clock import told_time
from lastseen.errors import ConfigurationError, Conflict, LastseenError
from lastseen.manage.channels import find_to_edit
from lastseen.manage.office import Office
from lastseen.model import Delivered, Delivery, Event, EventType, Message, Notification, Outcome, Severity
from lastseen.notifiers.message import render
from lastseen.notifiers.roster import Speaker, lane_of
from lastseen.words import say

MANY = 10_000
"""Machines that are counted for the message."""


async def test(office: Office, text: str) -> dict[str, Any]:
    """`{"ok", "detail"}`. Raises UnknownChannel, Forbidden, ConfigurationError."""
    channel = await find_to_edit(office, text)
    if channel.type == "code":
        raise Conflict(say("{name} is given in a program's code: only that program can send to it", name=channel.name))
    if office.senders is None:
        raise ConfigurationError(say("no channels are tried here"))
    notifier = office.senders(channel, await office.store.channel_secrets(channel.uid))
    speaker = Speaker(channel, notifier, lane_of(channel.uid, notifier))
    result = await _send(office, speaker, await _message(office, speaker))
    await office.note("channels.test", f"channel {channel.name}", {"ok": result["ok"]})
    return result


async def _send(office: Office, speaker: Speaker, message: Message) -> dict[str, Any]:
    redacted = office.senders.redacted if office.senders is not None else str
    try:
        with anyio.fail_after(speaker.timeout):
            await _optional(speaker.notifier, "start")
            outcome = await speaker.notifier.send(message)
    except TimeoutError:
        return {"ok": False, "detail": f"no answer within {speaker.timeout:g} s"}
    except LastseenError as error:
        return {"ok": False, "detail": redacted(str(error))}
    except Exception as error:  # noqa: BLE001 - a plugin's own trouble is the answer to this
        return {"ok": False, "detail": redacted(f"{type(error).__name__}: {error}")}
    finally:
        await _optional(speaker.notifier, "close")
    return _result(outcome)


async def _optional(notifier: Any, verb: str) -> None:
    method = getattr(notifier, verb, None)
    if method is not None:
        await method()


def _result(outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None or isinstance(outcome, Delivered):
        receipt = outcome.receipt if outcome is not None else None
        return {"ok": True, "detail": f"delivered; it is known there as {receipt}" if receipt else "delivered"}
    return {"ok": False, "detail": outcome.reason}


async def _message(office: Office, speaker: Speaker) -> Message:
    """What a test says, rendered as everything else is."""
    channel, clock = speaker.channel, office.monitor.clock
    now, wording = clock.now(), office.monitor.dispatcher.wording
    known = len(await office.store.machines(0, MANY))
    snapshot = {
        "machine": None,
        "channel": {"id": channel.id, "name": channel.name, "type": channel.type},
        "machines": known if known < MANY else None,
    }
    event = Event(str(uuid.uuid4()), EventType.CHANNEL_TEST, Severity.INFO, now, "test", snapshot, channel=channel.uid)
    row = Notification(str(uuid.uuid4()), event.uid, channel.uid, due_at=now, created_at=now, expires_at=now)
    message = render(
        [Delivery(row, event)], now, tz=wording.timezone, label=speaker.label, public_url=wording.public_url
    )
    return dataclasses.replace(message, wall=told_time(clock))
