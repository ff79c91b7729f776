"""Group commit: many heartbeats share one transaction, and each is acknowledged when it is durable.

While one transaction runs, the next batch gathers; so batches grow by themselves exactly when the store is the
bottleneck, and a lone heartbeat does not wait for company.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

import msgspec

from lastseen import counters
from lastseen.clock import Clock
from lastseen.errors import Busy, LastseenError, StoreUnavailable, UnknownMachine
from lastseen.log import get_logger
from lastseen.model import Beat, Recorded, Said
from lastseen.protocols import Store

CAPACITY = 50_000
"""Heartbeats that may wait; one more is answered `Busy`."""

LARGEST_BATCH = 5_000
IN_FLIGHT = 3
"""Batches that the store may have at once: the next is there when one is done."""

Batch = list[tuple[Beat, asyncio.Future[None]]]

_TICK = timedelta(microseconds=1)
_SAME = timedelta(seconds=1)
"""What is dated longer ago than that was said before, and is not one of several in one moment."""

_log = get_logger()


class Recorder:
    """Takes heartbeats, returns when they are stored. `on_due` is called when one of them wants a decision, `on_stored`
    with each batch that is stored; `noticed` is around each writing."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        on_due: Callable[[], None],
        on_failed: Callable[[], None],
        capacity: int = CAPACITY,
        on_stored: Callable[[Batch], None] = lambda batch: None,
        noticed: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._noticed = noticed
        self._store, self._clock, self._capacity, self._on_stored = store, clock, capacity, on_stored
        self._on_due, self._on_failed = on_due, on_failed
        self._waiting: Batch = []
        self._writing: dict[asyncio.Task[None], Batch] = {}  # in the order in which they were received
        self._wake = asyncio.Event()
        self._after: datetime | None = None
        self._open = False
        self._splitting = 0

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._writing

    @property
    def waiting(self) -> int:
        """Heartbeats that were received and are not stored yet."""
        return len(self._waiting) + sum(map(len, self._writing.values()))

    @property
    def oldest_waiting(self) -> datetime | None:
        """When the oldest heartbeat that is not stored yet was received: settling must not overtake it."""
        first = next(iter(self._writing.values()), self._waiting)
        return first[0][0].at if first else None

    async def stored(self) -> None:
        """What has been received until now is stored, or could not be."""
        ends = [*self._waiting[LARGEST_BATCH - 1 :: LARGEST_BATCH], *self._waiting[-1:]]  # of the batches to come
        under_way: list[asyncio.Future[None]] = [*self._writing, *(future for _, future in ends)]
        if under_way:
            await asyncio.wait(under_way)

    def record(self, beat: Beat) -> asyncio.Future[None]:
        """A future that is done when the heartbeat is durable; it fails with UnknownMachine or StoreUnavailable.
        Raises Busy when the queue is full."""
        if not self._open:
            counters.HEARTBEATS.inc(counters.source_name(beat.source), "failed")
            raise StoreUnavailable("the monitor is not running")
        if len(self._waiting) >= self._capacity:
            counters.HEARTBEATS.inc(counters.source_name(beat.source), "busy")
            raise Busy(f"{self._capacity} heartbeats are waiting to be stored")
        if self._after is not None and self._after - _SAME < beat.at <= self._after:
            beat = msgspec.structs.replace(beat, at=self._after + _TICK)
        if beat.said is Said.GOODBYE and (self._after is None or beat.at > self._after):
            self._after = beat.at  # what is heard later must be later, even within one tick of the clock
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((beat, future))
        if len(self._waiting) == 1:
            self._wake.set()
        return future

    def record_many(self, beats: Sequence[Beat]) -> list[asyncio.Future[None]]:
        """`record` for each of them; Busy and StoreUnavailable are raised before any is taken."""
        if len(self._waiting) + len(beats) > self._capacity:
            counters.HEARTBEATS.inc(counters.source_name(beats[0].source), "busy", by=len(beats))
            raise Busy(f"{len(self._waiting)} heartbeats are waiting to be stored")
        return [self.record(beat) for beat in beats]

    def open(self) -> None:
        """Take heartbeats from now on."""
        self._open = True

    def close(self) -> None:
        """Take no more; `run` returns when what waits is written."""
        self._open = False
        self._wake.set()

    async def run(self) -> None:
        """Write batches until closed, and what waits then."""
        try:
            while self._open or self._waiting:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._room()
                    self._write_next()
        finally:
            await self._end()

    async def _room(self) -> None:
        """Nothing overtakes a batch that is written in parts: a machine's reports are stored in their order."""
        while len(self._writing) >= (1 if self._splitting else IN_FLIGHT):
            await asyncio.wait(self._writing, return_when=asyncio.FIRST_COMPLETED)

    def _write_next(self) -> None:
        batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
        task = asyncio.create_task(self._write(batch))
        self._writing[task] = batch
        task.add_done_callback(self._writing.pop)

    async def _end(self) -> None:
        """Cancelled or closed: nobody who was promised an answer is left without one."""
        if self._writing:
            await asyncio.wait(self._writing)
        _fail(self._waiting, StoreUnavailable("the monitor has stopped"))
        self._waiting = []

    async def _write(self, batch: Batch) -> None:
        began = self._clock.monotonic()
        try:
            with self._noticed():
                recorded = await self._store.record([beat for beat, _ in batch], self._clock.now())
        except StoreUnavailable as error:
            _log.error("record_failed", error=str(error), beats=len(batch))
            self._on_failed()
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001  (a store is a plugin: one bad row must not take the others down)
            if len(batch) > 1:
                await self._split(batch)
            else:
                _refuse(batch, error)
        else:
            counters.BATCHES.observe(len(batch))
            counters.COMMITS.observe(self._clock.monotonic() - began)
            self._answer(batch, recorded)

    async def _split(self, batch: Batch) -> None:
        self._splitting += 1
        try:
            await self._write(batch[: len(batch) // 2])
            await self._write(batch[len(batch) // 2 :])
        finally:
            self._splitting -= 1

    def _answer(self, batch: Batch, recorded: Recorded) -> None:
        unknown = recorded.unknown
        if unknown:
            _count([one for one in batch if one[0].machine in unknown], "unknown")
            _count([one for one in batch if one[0].machine not in unknown], "stored")
        else:
            _count(batch, "stored")
        for beat, future in batch:
            if future.done():
                continue
            if unknown and beat.machine in unknown:
                future.set_exception(UnknownMachine(beat.machine))
                future.exception()  # a caller that has gone away is no unhandled error
            else:
                future.set_result(None)
        self._on_stored(batch)
        if recorded.due:
            self._on_due()


def _count(batch: Batch, outcome: str) -> None:
    """Nearly every batch has one source: counting each heartbeat's is for the others."""
    sources = {beat.source for beat, _ in batch}
    if len(sources) == 1:
        counters.HEARTBEATS.inc(counters.source_name(sources.pop()), outcome, by=len(batch))
        return
    for source in sources:
        rows = sum(beat.source == source for beat, _ in batch)
        counters.HEARTBEATS.inc(counters.source_name(source), outcome, by=rows)


def _refuse(batch: Batch, error: Exception) -> None:
    """This one cannot be stored, whenever it is tried: the store is well."""
    ours = isinstance(error, LastseenError)
    _log.error("record_failed", error=str(error) if ours else repr(error), beats=1)
    words = f"this heartbeat could not be stored: {type(error).__name__}"
    _fail(batch, error if ours else StoreUnavailable(words))


def _fail(batch: Batch, error: Exception) -> None:
    _count(batch, "failed")
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
            future.exception()  # a caller that has gone away is no unhandled error
