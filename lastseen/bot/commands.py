"""What connected chats may say. Each command is safe to be carried out again after a crash."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from lastseen.bot import why, words
from lastseen.bot.desk import Desk
from lastseen.bot.joining import Door
from lastseen.bot.updates import Pressed, Said
from lastseen.bot.words import Lines, Seen
from lastseen.durations import parse_duration
from lastseen.errors import InvalidInput, UnknownMachine
from lastseen.manage.channels import all_failing
from lastseen.model import Channel, Matcher, Silence, Status
from lastseen.model.names import group_meant
from lastseen.monitor.uptime import uptime
from lastseen.notifiers.wording import Line
from lastseen.protocols import Pasts

LONGEST_MUTE = timedelta(days=30)
EVERYTHING = "Everything"
MONTH = timedelta(days=30)
EVENTS = 200
"""Events of a machine that are looked at for its last outage."""

Command = Callable[[Said, Sequence[Channel]], Awaitable[Lines]]


class Commands:
    """Of one bot."""

    def __init__(self, desk: Desk, door: Door) -> None:
        self._desk, self._door = desk, door
        self._known: Mapping[str, Command] = {
            "status": self._status,
            "list": self._list,
            "mute": self._mute,
            "unmute": self._unmute,
            "ack": self._ack,
            "why": self._why,
            "help": self._help,
        }

    async def take(self, said: Said) -> bool:
        """True: something was changed."""
        desk = self._desk
        if said.to and said.to != desk.name.lower():
            return False  # it is for another bot
        if said.command == "start":
            return await self._door.start(said)
        channels = await desk.channels(said.place)
        if not channels:
            await self._door.stranger(said)
            return False
        if said.command == "stop":
            return await self._door.stop(said, channels)
        command = self._known.get(said.command)
        if command is not None:
            await desk.answer(said.place, await command(said, channels))
        return said.command in ("mute", "unmute", "ack")

    # -- asking

    async def _help(self, said: Said, channels: Sequence[Channel]) -> Lines:
        return words.helped()

    async def _list(self, said: Said, channels: Sequence[Channel]) -> Lines:
        return words.listed(await self._desk.machines(channels), self._desk.when)

    async def _status(self, said: Said, channels: Sequence[Channel]) -> Lines:
        seen = await self._desk.machines(channels)
        if said.words:
            found = chosen(seen, said.words)
            if found is None:
                return self._unknown(seen, said.words)
            if len(found.machines) == 1:
                one = found.machines[0]
                return words.single(one, self._desk.when, await self._last_outage(one), await self._up(one))
            seen = found.machines
        failing = await all_failing(self._desk.store, self._desk.clock.now())
        return words.overall(seen, self._desk.when, len(failing))

    async def _why(self, said: Said, channels: Sequence[Channel]) -> Lines:
        seen = await self._desk.machines(channels)
        text, asked = why.when_asked(self._desk, said.words)
        if not text:
            one = why.which(seen)
            return why.say_which(seen) if one is None else await why.told(self._desk, one, asked, channels)
        found = chosen(seen, said.words)
        if found is not None:
            asked = why.when_asked(self._desk, "")[1]  # it is called so, and no time is meant
        else:
            found = chosen(seen, text)
        if found is None:
            return self._unknown(seen, text)
        if len(found.machines) != 1:
            return why.say_which(found.machines)
        return await why.told(self._desk, found.machines[0], asked, channels)

    async def _last_outage(self, one: Seen) -> tuple[datetime, datetime] | None:
        """The newest that is over."""
        back: datetime | None = None
        for event in await self._desk.store.events(one.status.id, None, EVENTS):
            if event["type"] == "machine.online" and event["previous_status"] == "offline":
                back = datetime.fromisoformat(event["at"])
            elif event["type"] == "machine.offline" and back is not None:
                return datetime.fromisoformat(event["last_seen"] or event["at"]), back
        return None

    async def _up(self, one: Seen) -> str | None:
        """How many per cent of the last 30 days; None: nobody knows."""
        store, now = self._desk.store, self._desk.clock.now()
        found = await store.liveness([one.status.id])
        if not isinstance(store, Pasts) or one.status.id not in found:
            return None
        pasts = await store.pasts(list(found.values()), now - MONTH, now)
        return uptime(pasts[one.status.id], now - MONTH, now, now).percent

    def _unknown(self, seen: Sequence[Seen], text: str) -> Lines:
        return words.unknown(text, difflib.get_close_matches(text, [one.status.slug for one in seen], n=2))

    # -- telling

    async def _mute(self, said: Said, channels: Sequence[Channel]) -> Lines:
        span, what = spoken(said.words)
        if span is None:
            return words.HOW_TO_MUTE
        seen = await self._desk.machines(channels)
        found = chosen(seen, what) if what else Choice(EVERYTHING, Matcher(), seen)
        if found is None:
            return self._unknown(seen, what)
        until = await self.silence(found, span, channels, said)
        return words.muted(found.name, len(found.machines), until, self._desk.when)

    async def silence(
        self, choice: Choice, span: timedelta, channels: Sequence[Channel], said: Said | Pressed
    ) -> datetime:
        """For these channels alone; it takes the place of an earlier one of the same. Until when."""
        store, now = self._desk.store, self._desk.clock.now()
        uids = tuple(sorted(channel.uid for channel in channels))
        kept = choice.matcher
        matcher = Matcher(kept.groups, kept.tags, kept.kinds, kept.names, uids)
        before = [one for one in await store.silences(now) if one.matcher == matcher]
        name = f"{choice.name} muted by {said.who}"
        adding = store.add_silence(Silence(name, now, now + span, matcher, f"{said.who} (Telegram)"), now)
        about = {"name": name, "machines": str(kept), "channels": [channel.name for channel in channels]}
        await self._desk.do(adding, said.place, said.who, "silences.add", lambda made: f"silence {made.id}", about)
        await self._end(before, said)
        self._desk.monitor.dispatcher.reload()
        return now + span

    async def _unmute(self, said: Said, channels: Sequence[Channel]) -> Lines:
        store, now = self._desk.store, self._desk.clock.now()
        uids = {channel.uid for channel in channels}
        mine = [one for one in await store.silences(now) if one.matcher.channels and uids >= {*one.matcher.channels}]
        await self._end(mine, said)
        if not mine:
            return words.NOTHING_MUTED
        self._desk.monitor.dispatcher.reload()
        began = min(one.starts_at for one in mine)
        seen = await self._desk.machines(channels)
        gone = [one for one in seen if one.status.status is Status.OFFLINE and one.status.status_since >= began]
        return words.unmuted([one for one in gone if any(_meant(silence, one) for silence in mine)], self._desk.when)

    async def _end(self, silences: Sequence[Silence], said: Said | Pressed) -> None:
        desk = self._desk
        for one in silences:
            ending = desk.store.end_silence(one.id, desk.clock.now())
            await desk.do(ending, said.place, said.who, "silences.end", f"silence {one.id}", {"name": one.name})

    async def _ack(self, said: Said, channels: Sequence[Channel]) -> Lines:
        seen = await self._desk.machines(channels)
        if said.words:
            found = chosen(seen, said.words)
            if found is None:
                return self._unknown(seen, said.words)
            seen = found.machines
        return (Line(words.acked(await self.acknowledge(seen, said))),)

    async def acknowledge(self, seen: Sequence[Seen], said: Said | Pressed) -> list[str]:
        """Those of these that are offline or in error; their names."""
        names, desk = [], self._desk
        for one in seen:
            if one.status.status not in (Status.OFFLINE, Status.ERROR):
                continue
            try:
                seeing = desk.monitor.acknowledge(one.status.id, said.who)
                await desk.do(seeing, said.place, said.who, "machines.ack", f"machine {one.status.slug}")
            except UnknownMachine:
                continue
            names.append(one.name)
        return names


class Choice:
    """What somebody named: some machines, and what they have in common."""

    def __init__(self, name: str, matcher: Matcher, machines: list[Seen]) -> None:
        self.name, self.matcher, self.machines = name, matcher, machines


def chosen(seen: Sequence[Seen], text: str) -> Choice | None:
    """A machine by its slug or name, a group, a tag, or machines by a pattern (`cam-*`); None: nothing is called so."""
    wanted = text.strip().casefold()
    exact = [one for one in seen if one.status.slug == text.strip()]
    for one in exact or [one for one in seen if wanted in (one.status.slug.casefold(), one.name.casefold())]:
        return Choice(one.name, Matcher(names=(one.status.slug,)), [one])
    named = group_meant(text.strip()).casefold()
    group = [one for one in seen if one.status.group.casefold() == named]
    if group:
        return Choice(group[0].status.group, Matcher(groups=(group[0].status.group,)), group)
    for tag in {tag for one in seen for tag in one.tags if tag.casefold() == wanted.removeprefix("#")}:
        return Choice(tag, Matcher(tags=(tag,)), [one for one in seen if tag in one.tags])
    alike = [one for one in seen if "*" in text and fnmatchcase(one.status.slug, text.strip())]
    return Choice(text.strip(), Matcher(names=(text.strip(),)), alike) if alike else None


def spoken(text: str) -> tuple[timedelta | None, str]:
    """`2h berlin` or `berlin 2h`: how long, and what; None where no length is said, or too long a one."""
    parts = text.split()
    for place in (0, -1):
        word = parts[place] if parts else ""
        try:
            span = parse_duration(word)
        except InvalidInput:
            continue
        if word.isdecimal():
            continue  # of what? It may be a machine's name
        del parts[place]
        return (span if span <= LONGEST_MUTE else None), " ".join(parts)
    return None, text


def _meant(silence: Silence, one: Seen) -> bool:
    named = {"machine": {"id": one.status.id, "name": one.status.name}, "slug": one.status.slug}
    return silence.matcher.misses({**named, "group": one.status.group, "kind": one.kind, "tags": one.tags}) is None
