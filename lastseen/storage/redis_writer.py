"""Writing to Redis, beside everything else: what was committed is noted in memory, and a loop brings it there.

Nothing waits for it. What changed is read from the store again, after its commit, and written as the store has it; of a
plain heartbeat only its time is. While the server is away the notes are kept, so many of them; beyond that it is noted
that something was lost, and with its return nothing that stands there is believed until it is written again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lastseen.clock import Clock
from lastseen.errors import LastseenError, StoreUnavailable
from lastseen.log import get_logger
from lastseen.model import MachineRef
from lastseen.protocols import Store
from lastseen.storage import redis_values as values
from lastseen.storage.redis_link import Away, Link, run_script
from lastseen.storage.redis_names import Names
from lastseen.storage.redis_values import Known

if TYPE_CHECKING:
    from redis.asyncio import Redis

CAPACITY = 100_000
"""Machines whose heartbeats wait to be written, and as many whose changes do."""

FILLS = 10_000
"""Machines that were read from the store for somebody, and wait to be written."""

CHUNK = 200
"""Machines that one script writes: the server does nothing else meanwhile."""

EVERY = 1.0
"""Seconds between two writings of heartbeats; changes are written at once."""

AGAIN_AFTER = timedelta(minutes=10)
"""A machine that is heard, and was read from the store longer ago than this, is read again."""

WITHIN = 2.0
"""Seconds that one script may take."""

REST = 2
"""Times as long as a script took it is waited for the next one that nobody waits for: store and requests go on."""

FLOOR, NAMED = "floor", "named"

_log = get_logger()


class Writer:
    """Of one link. `prefix`: before our own keys; `published`: whether `device:…` is written too; `whole`: whether our
    own values hold what the status routes read."""

    def __init__(self, link: Link, clock: Clock, names: Names, published: bool, whole: bool) -> None:
        self._link, self._clock, self._names = link, clock, names
        self._published, self._whole = published, whole
        self.prefix = ""
        self.store: Store | None = None
        self.marks: dict[str, datetime] = {}
        """By name: no answer of the store is believed that it was asked for before (`FLOOR`), and none that says that
        nobody is called so (`NAMED`)."""
        self._marks_due: dict[str, datetime] = {}
        self._heard: dict[int, datetime] = {}
        self._changed: dict[MachineRef, int] = {}  # with a number: whether it changed again while it was written
        self._wanted: dict[MachineRef, None] = {}
        self._fills: dict[int, Known] = {}
        self._numbers = itertools.count()
        self._wake = asyncio.Event()

    # -- notes, from whoever commits: no waiting

    def heard(self, machine: int, at: datetime) -> None:
        """A plain heartbeat was committed. Where too many wait this one is left out: the next one says the same, and
        nothing that is a minute old is believed."""
        before = self._heard.get(machine)
        if len(self._heard) < CAPACITY if before is None else at > before:
            self._heard[machine] = at

    def changed(self, machine: MachineRef) -> None:
        """Something else was. Until it is written, `pending`."""
        if len(self._changed) >= CAPACITY and machine not in self._changed:
            self.distrust()
            return
        self._changed[machine] = next(self._numbers)
        self._wake.set()

    def want(self, machine: MachineRef) -> None:
        """It is to be read again, although nothing is known to be wrong."""
        if len(self._wanted) < CAPACITY:
            self._wanted[machine] = None

    def fill(self, known: Known) -> None:
        """It was read from the store for somebody."""
        if len(self._fills) < FILLS:
            self._fills[known.standing.machine.id] = known
            self._wake.set()

    def distrust(self, mark: str = FLOOR) -> None:
        """What is known now is not to be believed, on any node."""
        self.marks[mark] = self._marks_due[mark] = self._clock.now()
        self._wake.set()

    def pending(self, machine: MachineRef) -> bool:
        return machine in self._changed

    def heard_at(self, machine: int) -> datetime | None:
        """A heartbeat that is committed and not written yet."""
        return self._heard.get(machine)

    @property
    def idle(self) -> bool:
        """Everything that was noted is written."""
        return not (self._heard or self._changed or self._wanted or self._fills or self._marks_due)

    # -- the loop

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._pause()
                if self._link.there or await self._link.probe(self._knock):
                    await self.flush()
            except Away:
                continue
            except LastseenError:
                await asyncio.sleep(EVERY)  # the store is away: what is noted waits
            except Exception as error:  # noqa: BLE001  (it is a copy: whatever fails, the next turn tries again)
                _log.error("redis_copy_failed", error=type(error).__name__)
                await asyncio.sleep(EVERY)

    async def flush(self) -> None:
        """Write everything that is noted now. Raises Away, StoreUnavailable; what was not written is noted still."""
        self._wake.clear()
        for name, since in list(self._marks_due.items()):
            await self._set_mark(name, since)
        for _ in range(-(-len(self._changed) // CHUNK)):
            await self._write_changed()
        while self._fills:
            await self._write_fills()
        for write, notes in ((self._write_heard, self._heard), (self._write_wanted, self._wanted)):
            for _ in range(-(-len(notes) // CHUNK)):
                began = self._clock.monotonic()
                await write()
                if self._wake.is_set():
                    break  # changes go first
                await asyncio.sleep(REST * (self._clock.monotonic() - began))

    async def _pause(self) -> None:
        if not self._link.there:
            await asyncio.sleep(0.1)
            return
        try:
            async with asyncio.timeout(EVERY):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _knock(self, client: Redis) -> Any:
        """A write, because a server may answer and take nothing more."""
        return await client.set(f"{self.prefix}probe", "1", ex=values.TTL)

    async def _set_mark(self, name: str, since: datetime) -> None:
        key, digits = f"{self.prefix}{name}", values.moment(since)
        await self._link.ask(lambda client: client.set(key, digits, ex=values.TTL), WITHIN)
        if self._marks_due.get(name) == since:
            del self._marks_due[name]

    async def _write_changed(self) -> None:
        chunk = dict(itertools.islice(self._changed.items(), CHUNK))
        await self._read_and_put(chunk)
        for machine, number in chunk.items():
            if self._changed.get(machine) == number:
                del self._changed[machine]

    async def _write_wanted(self) -> None:
        chunk = dict(itertools.islice(self._wanted.items(), CHUNK))
        await self._read_and_put(chunk)
        for machine in chunk:
            self._wanted.pop(machine, None)

    async def _read_and_put(self, machines: Mapping[MachineRef, object]) -> None:
        """As the store has them now."""
        if self.store is None:
            raise StoreUnavailable("the store is closed")
        asked_at = self._clock.now()
        known = await self.store.liveness(list(machines))
        await self.put([Known(standing, asked_at) for standing in known.values()])
        gone = [machine for machine in machines if machine not in known]
        for machine in gone:
            self._names.learn_nobody(machine, asked_at)
        ids = {machine if isinstance(machine, int) else self._names.find(machine) for machine in gone}
        await self._forget([machine for machine in ids if machine is not None], asked_at)

    async def put(self, what: Iterable[Known]) -> None:
        """Write these, each unless what stands there is newer. Raises Away."""
        what = list({known.standing.machine.id: known for known in what}.values())
        for known in what:
            self._names.learn(known.standing.machine)
        if what:
            now = self._clock.now()
            arguments = values.put_arguments(self.prefix, self._published, self._whole, now, what)
            await self._script(values.PUT, arguments)

    async def _forget(self, machines: list[int], asked_at: datetime) -> None:
        if machines:
            arguments: list[str | bytes] = [self.prefix, "1" if self._published else "0", str(values.GONE)]
            for machine in machines:
                arguments += [str(machine), values.gone(asked_at)]
            await self._script(values.FORGET, arguments)

    async def _write_fills(self) -> None:
        chunk = dict(itertools.islice(self._fills.items(), CHUNK))
        await self.put(chunk.values())
        for machine, known in chunk.items():
            if self._fills.get(machine) is known:
                del self._fills[machine]

    async def _write_heard(self) -> None:
        chunk = dict(itertools.islice(self._heard.items(), CHUNK))
        after = self._clock.now() - AGAIN_AFTER
        after = max(after, self.marks.get(FLOOR, after))
        arguments = values.touch_arguments(self.prefix, self._published, after, chunk.items())
        for machine in await self._script(values.TOUCH, arguments):
            self.want(int(machine))
        for machine, at in chunk.items():
            if self._heard.get(machine) == at:
                del self._heard[machine]

    async def _script(self, text: str, arguments: list[str | bytes]) -> Any:
        return await self._link.ask(lambda client: run_script(client, text, arguments), WITHIN)
