"""The course of a drill: a canary that reports, falls silent and comes back, and what each channel was told of it.

The canary is a machine like any other, and the server that runs is the one that decides and sends: here it is only
made, looked at and removed.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import anyio
import httpx

from lastseen.errors import LastseenError, UnknownChannel, UnknownMachine
from lastseen.model import Channel
from lastseen.model.drill import LASTS, PREFIX, TAG, is_drill, tags_of

SILENCE = timedelta(seconds=3)
"""How long the canary may be silent."""

LOOK = 0.1
"""Seconds between two looks at what has become of it."""

FAREWELL = 8.0
"""Seconds that the end may take when the drill is cut short: whoever was alarmed is told that it is over."""

NEWEST = 2_000
"""Notifications that are looked through for those of the drill."""

HELD = "held"
"""How the reason begins of what waits because people wish so."""

ENDED = ("delivered", "dead", "cancelled", "skipped")

Say = Callable[[str, str], None]
"""Tells how it goes: a style, a sentence."""


class DrillFailed(LastseenError):
    """The drill could not be held, or the canary's silence was not noticed."""


@dataclass
class Told:
    """What became of one event on one channel. `seconds` from the decision until the far end had it."""

    state: str = "none"
    reason: str | None = None
    at: str | None = None
    seconds: float | None = None

    @property
    def ok(self) -> bool:
        return self.state == "delivered"


@dataclass
class Result:
    """One channel's part. `left_out`: it does not want to be told, and was not asked for by name."""

    channel: Channel
    alert: Told = field(default_factory=Told)
    recovery: Told = field(default_factory=Told)
    named: bool = False

    @property
    def left_out(self) -> bool:
        return self.alert.state == "skipped" and not self.named

    @property
    def ok(self) -> bool:
        return self.alert.ok and self.recovery.ok


@dataclass
class Event:
    """Of the canary, as it was committed. `late`: seconds after it could have been known."""

    id: int
    at: datetime
    late: float


class Drill:
    """One drill on the store of `monitor`, beside the server at `url`. `within`: how long each of the two messages may
    take to arrive. `extra`: what the canary is made with, beside what makes it one."""

    def __init__(
        self, monitor: Any, url: str, channels: Sequence[Channel], named: bool, within: timedelta, extra: dict[str, Any]
    ) -> None:
        self._monitor, self._store, self._clock, self._url = monitor, monitor.store, monitor.clock, url
        self._within, self._extra = within, extra
        self.results = [Result(channel, named=named) for channel in channels]
        now = self._clock.now()
        self.slug = f"{PREFIX}{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self._key = ""
        self.alert: Event | None = None
        self.recovery: Event | None = None

    @property
    def ok(self) -> bool:
        """Everybody who wants to be told was told, of both."""
        wanted = [result for result in self.results if not result.left_out]
        return bool(wanted) and all(result.ok for result in wanted)

    async def run(self, say: Say) -> None:
        """Hold it. Raises DrillFailed. Whatever happens, the canary is gone at the end."""
        async with self._canary():
            say("", f"the canary {self.slug} reports to {self._url}")
            heard = await self._beat()
            self.alert = await self._event("machine.offline", heard + SILENCE)
            say("bold", f"decided: it is silent, {_span(self.alert.late)} after its deadline")
            await self._watch(self.alert, self.results, lambda result: result.alert, say)
            heard = await self._beat()
            self.recovery = await self._event("machine.online", heard)
            say("bold", f"decided: it is back, {_span(self.recovery.late)} after it was heard")
            told = [result for result in self.results if result.alert.ok]
            await self._watch(self.recovery, told, lambda result: result.recovery, say)

    # -- the canary

    @contextlib.asynccontextmanager
    async def _canary(self) -> AsyncIterator[None]:
        from lastseen.ingest.auth import new_key

        only = [result.channel.id for result in self.results if result.named]
        tags = {*tags_of(only), *self._extra.get("tags", ())}
        try:
            made = await self._monitor.watch(
                self.slug,
                expect="new",
                **{
                    "name": "lastseen drill",
                    "description": "A drill: nothing is wrong, and nobody needs to do anything.",
                    "group": TAG,
                    "offline_after": SILENCE,
                    **self._extra,
                    "tags": sorted(tags),
                },
            )
            key = new_key("machine")
            await self._store.add_key("machine", key.digest, key.hint, self._clock.now(), machine_id=made.id)
            self._key = key.text
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._remove()

    async def _remove(self) -> None:
        """Whoever was told that it is silent is told that it is over."""
        with contextlib.suppress(UnknownMachine):
            if self._key and self.recovery is None and await self._find("machine.offline"):
                with contextlib.suppress(DrillFailed), anyio.move_on_after(FAREWELL):
                    await self._event("machine.online", await self._beat())
            await self._monitor.forget(self.slug)

    async def _beat(self) -> datetime:
        """It reports, over HTTP as machines do. When that was."""
        at: datetime = self._clock.now()
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            async with httpx.AsyncClient(timeout=10, trust_env=False, headers=headers) as http:
                answer = await http.post(f"{self._url}/api/v1/heartbeat")
        except httpx.HTTPError as error:
            raise DrillFailed(f"the server does not answer at {self._url}: {type(error).__name__}") from None
        if answer.status_code != 204:
            raise DrillFailed(f"the server did not take the canary's heartbeat: it answered {answer.status_code}")
        return at

    # -- looking

    async def _event(self, type_: str, expected: datetime) -> Event:
        """The newest of this type, as soon as it is there. `expected`: when it could have been known."""
        until = expected + self._within
        while self._clock.now() <= until:
            found = await self._find(type_)
            if found is not None:
                at = datetime.fromisoformat(found["at"])
                return Event(found["id"], at, max(0.0, (at - expected).total_seconds()))
            await self._clock.sleep(LOOK)
        what = "that the canary is silent" if type_ == "machine.offline" else "that the canary is back"
        raise DrillFailed(f"the server did not notice {what}, within {_span(self._within.total_seconds())}")

    async def _find(self, type_: str) -> Mapping[str, Any] | None:
        """The newest of this type, if it is not from before the silence."""
        found: Sequence[Mapping[str, Any]] = await self._store.events(self.slug, type_, 1)
        silences: Sequence[Mapping[str, Any]] = await self._store.events(self.slug, "machine.offline", 1)
        return found[0] if found and silences and found[0]["id"] >= silences[0]["id"] else None

    async def _watch(self, event: Event, results: Sequence[Result], part: Callable[[Result], Told], say: Say) -> None:
        """Until everybody was told, or the time is over."""
        until, said = event.at + self._within, set[str]()
        while True:
            rows = await self._rows(event)
            for result in results:
                self._note(rows.get(result.channel.id), part(result), event)
                if part(result).state in ENDED and result.channel.uid not in said:
                    said.add(result.channel.uid)
                    say(*_sentence(result.channel, part(result)))
            if self._clock.now() > until or all(self._settled(rows.get(r.channel.id), until) for r in results):
                break
            await self._clock.sleep(LOOK)
        for result in results:
            if result.channel.uid not in said:
                say(*_sentence(result.channel, part(result)))

    async def _rows(self, event: Event) -> Mapping[int, Mapping[str, Any]]:
        """The first notification of the event on each channel."""
        rows = await self._store.notifications(None, NEWEST)
        return {row["channel_id"]: row for row in rows if row["event_id"] == event.id}  # newest first: the oldest stays

    def _note(self, row: Mapping[str, Any] | None, told: Told, event: Event) -> None:
        if row is None:
            told.reason = told.reason or "nobody thought of this channel: was it added a moment ago?"
            return
        told.state, told.reason = str(row["state"]), row["reason"]
        if told.ok and row["finished_at"]:
            at = datetime.fromisoformat(row["finished_at"])
            told.at, told.seconds = row["finished_at"], round(max(0.0, (at - event.at).total_seconds()), 3)

    def _settled(self, row: Mapping[str, Any] | None, until: datetime) -> bool:
        """Nothing more will come of it in time."""
        if row is None:
            return False
        held = str(row["reason"] or "").startswith(HELD) and datetime.fromisoformat(row["due_at"]) > until
        return row["state"] in ENDED or held


def _sentence(channel: Channel, told: Told) -> tuple[str, str]:
    name = f"{channel.name} ({channel.type})"
    if told.ok:
        return "green", f"{name}: told, {_span(told.seconds or 0.0)} after the decision"
    why = told.reason or "the time is over"
    return ("dim" if told.state == "skipped" else "red"), f"{name}: not told ({told.state}): {why}"


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s"


# -- before


async def chosen(monitor: Any, names: Sequence[str]) -> list[Channel]:
    """The channels of these names or ids; none given: all that are enabled. Raises UnknownChannel, DrillFailed."""
    channels: Sequence[Channel] = await monitor.store.channels()
    if not names:
        enabled = [channel for channel in channels if channel.enabled]
        if not enabled:
            raise DrillFailed("there is no channel: nobody would be told. `lastseen channels add` makes one")
        return enabled
    by_name = {**{str(channel.id): channel for channel in channels}, **{channel.name: channel for channel in channels}}
    for name in names:
        if name not in by_name:
            raise UnknownChannel(name)
    return list({by_name[name].uid: by_name[name] for name in names}.values())


async def sweep_up(monitor: Any) -> int:
    """Remove the canaries of drills that were killed. How many that were."""
    now, gone = monitor.clock.now(), 0
    for standing in await monitor.store.machines(0, 10_000, group=TAG):
        machine, heard = standing.machine, standing.liveness.last_seen
        stale = heard is None or now - heard > LASTS
        if stale and is_drill({"slug": machine.slug, "tags": machine.tags}):
            await monitor.forget(machine.id)
            gone += 1
    return gone
