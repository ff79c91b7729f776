"""The buttons under alerts: `ack machine:17`, `mute group:berlin`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from lastseen.bot import words
from lastseen.bot.commands import Choice, Commands
from lastseen.bot.desk import PATIENCE, Desk
from lastseen.bot.updates import Pressed, buttons_of
from lastseen.bot.words import Seen
from lastseen.model import Channel, Matcher
from lastseen.notifiers.wording import escape

MUTE = timedelta(hours=1)
TOAST = 200
"""Characters of the word that is shown for a moment."""

GONE = "That is not watched any more."


class Presses:
    """Of one bot."""

    def __init__(self, desk: Desk, commands: Commands) -> None:
        self._desk, self._commands = desk, commands

    async def take(self, pressed: Pressed) -> bool:
        """True: something was changed."""
        channels = await self._desk.channels(pressed.place)
        if not channels:
            await self._toast(pressed, words.NOT_CONNECTED)
            return False
        verb, _, target = pressed.data.partition(" ")
        choice = _target(await self._desk.machines(channels), target)
        if choice is None:
            await self._toast(pressed, GONE)
            return False
        if verb == "ack":
            return await self._ack(pressed, choice)
        if verb == "mute":
            return await self._mute(pressed, choice, channels)
        await self._toast(pressed, GONE)
        return False

    async def _ack(self, pressed: Pressed, choice: Choice) -> bool:
        names = await self._commands.acknowledge(choice.machines, pressed)
        # the message shows it when that is told (`lastseen.notifiers.retelling`), and so do those in other chats
        await self._toast(pressed, words.acked(names) if names else f"{choice.name} is well again.")
        return bool(names)

    async def _mute(self, pressed: Pressed, choice: Choice, channels: Sequence[Channel]) -> bool:
        until = await self._commands.silence(choice, MUTE, channels, pressed)
        await self._toast(pressed, f"{choice.name} muted until {self._desk.when.at(until)}.")
        await self._note(pressed, words.mute_line(choice.name, until, self._desk.when))
        return True

    async def _toast(self, pressed: Pressed, text: str) -> None:
        try:
            await self._desk.line.toast(pressed.press, text[:TOAST])
        except self._desk.library.TelegramError as error:
            self._desk.cannot(error)

    async def _note(self, pressed: Pressed, line: str) -> None:
        """The message above the button keeps its words and gets this line; the button goes."""
        desk, message = self._desk, pressed.message
        number, before = message.get("message_id"), desk.library.html_of(message)
        if not isinstance(number, int) or not isinstance(message.get("text"), str):
            return  # too old to be shown to us
        kept = before if before is not None else escape(message["text"])
        kind = line.partition(" ")[0]
        text = "\n".join([*(one for one in kept.splitlines() if not one.startswith(f"{kind} ")), line])
        left = [(label, word) for label, word in buttons_of(message) if word != pressed.data]
        wait = desk.limits.in_chat(pressed.place.chat, desk.clock.monotonic(), PATIENCE)
        if wait is None:
            return
        await desk.clock.sleep(wait + desk.limits.of_all(desk.clock.monotonic() + wait))
        try:
            await desk.line.change(pressed.place.chat, number, text, html=True, buttons=left)
        except desk.library.TelegramError as error:
            if not desk.library.is_unchanged(error):
                desk.cannot(error)


def _target(seen: Sequence[Seen], text: str) -> Choice | None:
    kind, _, name = text.partition(":")
    if kind == "machine":
        found = [one for one in seen if str(one.status.id) == name]
        return Choice(found[0].name, Matcher(names=(found[0].status.slug,)), found) if found else None
    group = [one for one in seen if kind == "group" and one.status.group == name]
    return Choice(name, Matcher(groups=(name,)), group) if group else None
