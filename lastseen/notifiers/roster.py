"""The channels this process can send to, and with what."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio

from lastseen.errors import LastseenError
from lastseen.log import get_logger
from lastseen.model import Channel, Message, Outcome, Silence, code_channel_uid
from lastseen.notifiers.contained import off_the_loop, own_fault
from lastseen.notifiers.retry import SCHEDULES, Schedule
from lastseen.protocols import Channels, Notifier, Store, Wishes

NotifierFor = Callable[[Channel, Mapping[str, str]], Notifier]
"""Makes the notifier of a channel row from its config and secrets."""

Notify = Callable[[Message], Any] | Notifier
"""What `notify=` takes: a function of one Message, or a notifier."""

TIMEOUT = 15.0
AGAIN = 30.0
"""Seconds until it is tried again to make a notifier that could not be made."""

_log = get_logger()


class FunctionNotifier:
    """A function of one Message as a notifier."""

    host = ""

    def __init__(self, function: Callable[[Message], Any]) -> None:
        self._function = function

    async def send(self, message: Message) -> Outcome | None:
        answer = self._function(message)
        if inspect.isawaitable(answer):
            answer = await answer
        return answer if isinstance(answer, Outcome) else None


@dataclass(frozen=True, slots=True)
class Speaker:
    """A channel with its notifier, and how that one wants to be used."""

    channel: Channel
    notifier: Notifier
    lane: str

    @property
    def batch(self) -> int:
        return int(getattr(self.notifier, "max_batch", 1))

    @property
    def timeout(self) -> float:
        return float(getattr(self.notifier, "timeout", TIMEOUT))

    @property
    def reads_text(self) -> bool:
        """It reads more of a message than its events: titles and texts are for people."""
        return getattr(self.notifier, "reads_text", True) is not False

    @property
    def edits(self) -> bool:
        """It can change what it has said."""
        return callable(getattr(self.notifier, "edit", None))

    @property
    def host(self) -> str | None:
        """Of its far end; "" for none, None where that is not known."""
        host = getattr(self.notifier, "host", None)
        return host if isinstance(host, str) else None

    @property
    def schedule(self) -> Schedule:
        return SCHEDULES[getattr(self.notifier, "schedule", "chat")]

    @property
    def label(self) -> str:
        """What people call the far end."""
        return str(getattr(self.notifier, "label", self.channel.type.capitalize()))


def named(notify: Notify | Mapping[str, Notify] | None) -> dict[str, Notifier]:
    """`notify=` as durable names with notifiers. One without a name is called `notify`."""
    if notify is None:
        return {}
    given = notify if isinstance(notify, Mapping) else {"notify": notify}
    return {name: as_notifier(one) for name, one in given.items()}


def as_notifier(notify: Notify) -> Notifier:
    if hasattr(notify, "send"):
        return off_the_loop(notify)  # type: ignore[no-any-return]
    if not callable(notify):
        raise TypeError(f"notify takes a function of one Message or a notifier, not {notify!r}")
    return FunctionNotifier(notify)


def lane_of(channel: str, notifier: Notifier) -> str:
    return str(getattr(notifier, "lane", None) or f"channel:{channel}")


class Roster:
    """Speakers by channel uid. `refresh` follows what other processes change."""

    def __init__(
        self,
        store: Store,
        in_code: Mapping[str, Notifier],
        notifier_for: NotifierFor | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._monotonic, self._try_again = monotonic, monotonic() + AGAIN
        self._retired: list[Speaker] = []
        self._complained: dict[str, str] = {}
        self._rows = store if isinstance(store, Channels) else None
        self._wishes = store if isinstance(store, Wishes) else None
        self._in_code, self._notifier_for = dict(in_code), notifier_for
        self._made: dict[str, tuple[Channel, Speaker | None]] = {}
        self.speakers: dict[str, Speaker] = {}
        self.channels: tuple[Channel, ...] = ()
        self.silences: tuple[Silence, ...] = ()

    async def start(self, now: datetime) -> None:
        """Make sure the channels given in code are there, and start their notifiers."""
        if self._rows is not None:
            for name, notifier in self._in_code.items():
                await self._rows.code_channel(name, lane_of(code_channel_uid(name), notifier), now)
        for notifier in self._in_code.values():
            await _call(notifier, "start")
        await self.refresh(now)

    async def hear_silences(self, now: datetime) -> None:
        """As they are now: what one that is over holds back would wait for its planned end."""
        if self._wishes is not None:
            self.silences = tuple(await self._wishes.silences(now))

    async def refresh(self, now: datetime) -> None:
        await self.hear_silences(now)
        self.channels = tuple(await self._rows.channels()) if self._rows is not None else self._code_channels()
        wanted = {channel.uid: channel for channel in self.channels if channel.enabled}
        for uid in [uid for uid, (channel, _) in self._made.items() if wanted.get(uid) != channel]:
            await self._drop(uid)
        for uid, channel in wanted.items():
            if uid not in self._made or (self._made[uid][1] is None and self._monotonic() >= self._try_again):
                self._made[uid] = (channel, await self._make(channel))
        if self._monotonic() >= self._try_again:
            self._try_again = self._monotonic() + AGAIN
        self.speakers = {uid: speaker for uid, (_, speaker) in self._made.items() if speaker is not None}

    def _code_channels(self) -> tuple[Channel, ...]:
        return tuple(Channel(uid=code_channel_uid(name), name=name, type="code") for name in self._in_code)

    async def _make(self, channel: Channel) -> Speaker | None:
        """None, and a log line, where nothing here can send to it; its notifications wait."""
        if channel.type == "code":
            notifier = self._in_code.get(channel.name)
            return None if notifier is None else Speaker(channel, notifier, lane_of(channel.uid, notifier))
        if self._notifier_for is None or self._rows is None:
            return None
        try:
            notifier = self._notifier_for(channel, await self._rows.channel_secrets(channel.uid))
            await _call(notifier, "start")
            speaker = Speaker(channel, off_the_loop(notifier), lane_of(channel.uid, notifier))
        except BaseException as error:  # (a plugin that cannot be made harms its own channel only)
            if not own_fault(error):
                raise
            reason = str(error) if isinstance(error, LastseenError) else f"{type(error).__name__} while it was made"
            if self._complained.get(channel.uid) != reason:  # once, and again when it is another reason
                self._complained[channel.uid] = reason
                _log.warning("channel_without_notifier", channel=channel.name, type=channel.type, reason=reason)
            return None
        self._complained.pop(channel.uid, None)
        return speaker

    async def _drop(self, uid: str) -> None:
        channel, speaker = self._made.pop(uid)
        if speaker is not None and channel.type != "code":
            self._retired.append(speaker)

    async def close_retired(self, busy: Collection[str]) -> None:
        """Close the notifiers that were replaced, but not while their lane may still use them."""
        for speaker in [speaker for speaker in self._retired if speaker.lane not in busy]:
            self._retired.remove(speaker)
            await _call(speaker.notifier, "close")

    def lanes(self) -> dict[str, Sequence[Speaker]]:
        lanes: dict[str, list[Speaker]] = {}
        for speaker in self.speakers.values():
            lanes.setdefault(speaker.lane, []).append(speaker)
        return dict(lanes)

    async def stop(self) -> None:
        for uid in list(self._made):
            await self._drop(uid)
        await self.close_retired(())
        for notifier in self._in_code.values():
            await _call(notifier, "close")


async def _call(notifier: Notifier, name: str) -> None:
    """An optional method of a plugin; what it raises on closing is its own affair, on starting it is told."""
    method: Callable[[], Awaitable[None]] | None = getattr(notifier, name, None)
    if method is None:
        return
    try:
        with anyio.fail_after(TIMEOUT):
            await method()
    except BaseException as error:
        if name != "close" or not own_fault(error):
            raise
        _log.warning("notifier_not_closed", error=type(error).__name__)
