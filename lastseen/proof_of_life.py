"""Who watches the watcher: as long as this server does what it is there for, and no longer, it says so.

To an address that misses us when we do not call (`LASTSEEN_PROOF_OF_LIFE_URL`: another lastseen, Healthchecks, …), and
to systemd. A change is logged once, with what is wrong and since when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import anyio
import httpx
from anyio.abc import TaskGroup

from lastseen.clock import Clock, rfc3339
from lastseen.errors import ForbiddenAddress
from lastseen.log import get_logger
from lastseen.monitor.health import Part, Trouble
from lastseen.systemd import Manager

LOOK = 2.0
"""Seconds between two looks at how we are, at most."""

SLEPT = 2.0
"""A look so many seconds late comes from a process that did not run. It judges nobody, itself included: the sweep gets
its turn first."""

TIMEOUT = 10.0
"""Seconds that a proof of life may take."""

AGAIN = 10.0
"""Seconds after one that got nowhere, at most, until the next."""

STATUS_EVERY = 30.0
"""Seconds between two counts of the machines for systemd's status line."""

Health = Callable[[], Awaitable[Sequence[Trouble]]]
"""What is wrong now."""

Count = Callable[[], Awaitable[Mapping[str, int]]]
"""Machines by status; empty where that is not known."""

_log = get_logger()


class Proof:
    """Calls an address, which is a secret: it is in no log, and in no repr."""

    def __init__(self, url: str, every: float, clock: Clock) -> None:
        self._url, self.every, self._clock = url, every, clock
        self._http: httpx.AsyncClient | None = None
        self._next = clock.monotonic()
        self._calling = False
        self._problem: str | None = "never called"

    @property
    def due(self) -> bool:
        return not self._calling and self._clock.monotonic() >= self._next

    async def call(self) -> None:
        """One GET. Whatever comes of it is logged when it is another thing than the last time."""
        self._calling, began = True, self._clock.monotonic()
        try:
            problem = await self._get()
        finally:
            self._calling = False
        self._next = began + (self.every if problem is None else min(self.every, AGAIN))
        if problem != self._problem:
            if problem is None:
                _log.info("proof_of_life_heard")
            else:
                _log.warning("proof_of_life_unheard", reason=problem)
        self._problem = problem

    async def _get(self) -> str | None:
        """Why it was not heard; None: it was."""
        try:
            if self._http is None:  # its own: it must not wait behind what is told to people
                from lastseen.notifiers.guard import Policy, guarded_client

                self._http = guarded_client(Policy(allow_private=True), timeout=TIMEOUT)
            answer = await self._http.get(self._url)
        except ForbiddenAddress:
            return "its address is never called"
        except httpx.TimeoutException:
            return f"no answer within {TIMEOUT:g} s"
        except Exception as error:  # noqa: BLE001  (its text may quote the address; the next one is called all the same)
            return type(error).__name__
        return None if answer.is_success else f"it answered {answer.status_code}"

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None


class Vigil:
    """Looks at how we are, and tells who wants to know. `run` it while requests are answered."""

    def __init__(
        self, health: Health, count: Count, clock: Clock, proof: Proof | None = None, manager: Manager | None = None
    ) -> None:
        self._health, self._count, self._clock, self._proof, self._manager = health, count, clock, proof, manager
        self._troubles: dict[Part, Trouble] = {}
        self._counted, self._told = float("-inf"), float("-inf")
        self._ended = anyio.Event()

    @property
    def period(self) -> float:
        """Seconds between two looks."""
        spans = [LOOK]
        if self._proof is not None:
            spans.append(self._proof.every)
        if self._manager is not None and self._manager.watchdog is not None:
            spans.append(self._manager.watchdog / 4)
        return min(spans)

    async def run(self) -> None:
        """Until `end`."""
        if self._manager is not None:
            self._manager.ready()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._look_and_look, group)
                await self._ended.wait()
                group.cancel_scope.cancel()
        finally:
            if self._proof is not None:
                with anyio.CancelScope(shield=True):
                    await self._proof.close()

    def end(self) -> None:
        """We stop because we were told to: that is no trouble."""
        self._ended.set()
        if self._manager is not None:
            self._manager.stopping()

    async def _look_and_look(self, group: TaskGroup) -> None:
        slept = False
        while True:
            due = self._clock.monotonic() + self.period
            if not slept:
                await self._look_safely(group)
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            slept = not slept and self._clock.monotonic() - due >= SLEPT

    async def _look_safely(self, group: TaskGroup) -> None:
        try:
            await self.look(group)
        except Exception as error:  # noqa: BLE001  (nobody is told that we live; the next look tries again)
            _log.error("watch_failed", error=repr(error))

    async def look(self, group: TaskGroup) -> None:
        """Once. What takes long is left to the group."""
        self._note(await self._health())
        if self._manager is not None:
            await self._tell(self._manager)
        if self._proof is not None and self._proof.due and not self._troubles:
            group.start_soon(self._proof.call)

    def _note(self, troubles: Sequence[Trouble]) -> None:
        """Say what has changed."""
        before, self._troubles = self._troubles, {trouble.part: trouble for trouble in troubles}
        for part, trouble in self._troubles.items():
            known = before.get(part)
            if known is not None and known.reason == trouble.reason:
                self._troubles[part] = known  # since the first time it was seen
            else:
                _log.error("watch_troubled", part=part.value, reason=trouble.reason, since=rfc3339(trouble.since))
        for part, trouble in before.items():
            if part not in self._troubles:
                _log.info("watch_restored", part=part.value, since=rfc3339(trouble.since))

    async def _tell(self, manager: Manager) -> None:
        """The watchdog at half its time, as sd_watchdog_enabled(3) recommends, and what people see."""
        now = self._clock.monotonic()
        if self._troubles:
            told = (f"{one.part.value}: {one.reason} since {_local(one.since)}" for one in self._troubles.values())
            manager.status("; ".join(told))
            self._counted = float("-inf")
            return
        if manager.watchdog is not None and now - self._told >= manager.watchdog / 2 - self.period / 2:
            manager.alive()
            self._told = now
        if now - self._counted >= STATUS_EVERY:
            manager.status(summary(await self._count()))
            self._counted = now


def summary(machines: Mapping[str, int]) -> str:
    """`97 of 100 machines online, 2 offline, 1 error`."""
    counts = Counter(machines)
    watched = counts.total()
    others = [
        f"{counts[status]} {status}" for status in ("offline", "error", "paused", "provisioning") if counts[status]
    ]
    machine = "machine" if watched == 1 else "machines"
    return ", ".join([f"{counts['online']} of {watched} {machine} online", *others]) if watched else "no machines yet"


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S")
