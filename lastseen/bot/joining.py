"""Chats come and go: `/start CODE` makes a channel of a chat that was invited, `/stop` ends it, the others hear who
they are, once a day."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from datetime import timedelta
from typing import Any

from lastseen.bot import waiting, words
from lastseen.bot.desk import TYPE, Desk
from lastseen.bot.updates import Moved, Place, Said
from lastseen.errors import Conflict
from lastseen.log import get_logger
from lastseen.model import Channel, Invite
from lastseen.words import say

OWNER = "owner"
"""What an invitation says beside the channel's own fields: the id of the user whose it will be."""

STOPPED = "stopped in its chat"
"""How the reason of a channel begins that was switched off by /stop: whoever is there may switch it on again."""

DAY = timedelta(days=1)
BAD_LINKS = 5
"""Wrong codes that are answered in one chat on one day."""

MOST_STRANGERS = 10_000
A_MINUTE = 20
"""Answers to strangers, all together: there may be very many of them, and alerts are to get through."""

_log = get_logger()


def new_code() -> str:
    """What stands after /start: cannot be guessed, and is legal in a link."""
    return secrets.token_hex(8)


def digest(bot: str, code: str) -> str:
    """How an invitation is stored: good for this bot alone."""
    return hashlib.sha256(f"{bot}:{code}".encode()).hexdigest()


class Strangers:
    """How often whom was answered today. Forgotten at a restart."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[int, str], tuple[float, int]] = OrderedDict()
        self._minute = (0.0, 0)

    def may_hear(self, chat: int, what: str, most: int, now: float) -> bool:
        began, count = self._told.get((chat, what), (now, 0))
        if now - began >= DAY.total_seconds():
            began, count = now, 0
        if count >= most or not self._has_room(now):
            return False
        self._told[chat, what] = (began, count + 1)
        self._told.move_to_end((chat, what))
        while len(self._told) > MOST_STRANGERS:
            self._told.popitem(last=False)
        return True

    def _has_room(self, now: float) -> bool:
        began, count = self._minute
        if now - began >= 60:
            began, count = now, 0
        self._minute = (began, count + 1)
        return count < A_MINUTE


class Door:
    """Lets chats in and out."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._strangers = desk, Strangers()

    async def start(self, said: Said) -> bool:
        """True: something was changed. Doing it again after a crash finds it done."""
        desk, place, code = self._desk, said.place, said.words.partition(" ")[0]
        invite = None
        if code:
            by = f"telegram:{desk.bot.id}:{place.chat}:{place.thread or 0}"
            invite = await desk.store.use_invite(digest(desk.bot.id, code), by, desk.clock.now())
        if invite is not None:
            channel = await self._invited(invite, said) or await self._again(said)
        else:
            channel = await self._again(said)
        if channel is None:
            await (self._bad_link(place) if code else self.stranger(said))
            return False
        await desk.answer(place, words.connected(channel.name, len(await desk.machines([channel]))))
        return True

    async def _again(self, said: Said) -> Channel | None:
        """The chat's channel, switched on where it was the chat that went away. A link is often opened twice."""
        known = await self._desk.channels(said.place, enabled=False)
        enabled = [channel for channel in known if channel.enabled]
        if enabled:
            return enabled[0]
        gone = [one for one in known if one.disabled_by == "far_end" or (one.disabled_reason or "").startswith(STOPPED)]
        if not gone:
            return None
        switching = self._desk.store.switch_channel(gone[0].uid, True, None, self._desk.clock.now())
        named = f"channel {gone[0].name}"
        back: Channel = await self._desk.do(switching, said.place, said.who, "channels.enable", named)
        self._desk.monitor.dispatcher.reload()
        return back

    async def _invited(self, invite: Invite, said: Said) -> Channel | None:
        """A new channel. None: it was made already, before a crash, or whoever invited may make none any more."""
        place, wishes = said.place, dict(invite.config)
        owner = wishes.pop(OWNER, None)
        if owner is not None and not await self._may_have_one(owner):
            return None
        thread = wishes.get("thread_id", place.thread)
        config = {**wishes, "chat_id": place.chat, **({} if thread is None else {"thread_id": thread})}
        for known in await self._desk.mine(place.chat):
            if known.name == invite.name and str(known.config.get("thread_id")) == str(thread):
                return None
        channel = await self._add(invite.name, config, said, owner)
        if owner is None:
            await waiting.forget(self._desk)
        _log.info("chat_connected", channel=channel.name, chat=place.chat)
        self._desk.monitor.dispatcher.reload()
        return channel

    async def _may_have_one(self, owner: int) -> bool:
        known = await self._desk.store.user(owner)
        return known is not None and known[0].role != "viewer"

    async def _add(self, name: str, config: dict[str, Any], said: Said, owner: int | None) -> Channel:
        """By another name where somebody has taken this one meanwhile."""
        desk = self._desk
        secret = {"token": desk.bot.token}
        for number in range(1, 100):
            called = name if number == 1 else f"{name}-{number}"
            adding = desk.store.add_channel(TYPE, called, config, secret, desk.bot.lane, desk.clock.now(), owner)
            about = (said.place, said.who, "channels.add", f"channel {called}", {"type": TYPE})
            try:
                made: Channel = await desk.do(adding, *about)
            except Conflict:
                continue
            return made
        raise Conflict(say("there is a channel {name!r} already", name=name))

    async def stop(self, said: Said, channels: list[Channel]) -> bool:
        desk = self._desk
        for channel in channels:
            reason = f"{STOPPED} by {said.who}"
            switching = desk.store.switch_channel(channel.uid, False, reason, desk.clock.now())
            await desk.do(switching, said.place, said.who, "channels.disable", f"channel {channel.name}")
            _log.warning("chat_stopped", channel=channel.name, by=said.who)
        others = [one for one in await desk.store.channels() if one.enabled]
        desk.monitor.dispatcher.reload()
        await desk.answer(said.place, words.stopped(len(others)))
        return True

    async def moved(self, moved: Moved) -> bool:
        desk = self._desk
        channels = await desk.mine(moved.chat)
        for channel in channels:
            changing = desk.store.change_channel(channel.uid, {"chat_id": moved.to}, desk.clock.now())
            named, said = f"channel {channel.name}", {"chat_id": "the group has another id now"}
            await desk.do(changing, Place(moved.to), "Telegram", "channels.configure", named, said)
        return bool(channels)

    async def _bad_link(self, place: Place) -> None:
        if self._strangers.may_hear(place.chat, "link", BAD_LINKS, self._desk.clock.monotonic()):
            await self._desk.answer(place, words.BAD_LINK)

    async def stranger(self, said: Said) -> None:
        """In groups only what is said to the bot is answered."""
        if said.place.is_group and not said.command:
            return
        if self._strangers.may_hear(said.place.chat, "stranger", 1, self._desk.clock.monotonic()):
            await self._desk.answer(said.place, words.stranger(said.place.chat))
