"""People who are told: what they read, what they wish, and why they were not told of something."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from lastseen.model import Delivered, Matcher, Message, Outcome, Preferences, Rejected, Retry, Silence
from lastseen.notifiers.quiet import checked_wishes
from lastseen.testing import RecordingNotifier
from tests.monitor.cases import Scene


class Chat:
    """Something that people read. What is on its screen: the texts of its messages by receipt."""

    max_batch = 4096

    def __init__(self) -> None:
        self.screen: dict[str, str] = {}
        self.buttons: dict[str, list[str]] = {}
        self.sounds = 0
        self.sent: list[Message] = []
        self.edits = 0
        self.fail = 0

    async def send(self, message: Message) -> Outcome:
        if self.fail:
            self.fail -= 1
            return Retry("busy")
        receipt = f"m{len(self.sent) + 1}"
        self.sent.append(message)
        self.sounds += message.loud
        self.screen[receipt], self.buttons[receipt] = message.text, labels(message)
        return Delivered(receipt)


class Editable(Chat):
    """It can change what it has said."""

    deaf = False  # it takes no edits

    async def edit(self, receipt: str, message: Message) -> Outcome:
        if self.deaf or receipt not in self.screen:
            return Rejected("cannot be edited")
        self.edits += 1
        self.screen[receipt], self.buttons[receipt] = message.text, labels(message)
        return Delivered(receipt)


class Broken(RecordingNotifier):
    """Its far end is away while `there` is False."""

    there = True

    async def send(self, message: Message) -> Outcome | None:
        return await super().send(message) if self.there else Retry("503 from pager.example")


def labels(message: Message) -> list[str]:
    return [action.label for action in message.actions]


async def prefer(s: Scene, wishes: Preferences, name: str = "ops", fallback: str | None = None) -> None:
    by_name = {channel.name: channel for channel in await s.sql.channels()}
    other = by_name[fallback].uid if fallback else None
    await s.sql.prefer(by_name[name].uid, checked_wishes(wishes), other, s.clock.now())
    s.monitor.dispatcher.reload()


async def silence(s: Scene, matcher: Matcher, minutes: float, name: str = "works") -> Silence:
    now = s.clock.now()
    made = await s.sql.add_silence(Silence(name, now, now + timedelta(minutes=minutes), matcher, "eva"), now)
    s.monitor.dispatcher.reload()
    return made


async def reasons(s: Scene) -> Mapping[str, str]:
    """Why each event was not told, by its type and machine; the newest notification of it counts."""
    events = {row["id"]: f"{row['type']} {row['machine']}" for row in await s.sql.events()}
    rows = reversed(await s.sql.notifications())
    return {
        events[row["event_id"]]: row["reason"] for row in rows if row["state"] in ("skipped", "cancelled", "pending")
    }
