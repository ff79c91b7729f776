"""Threads that own a database connection each, and do one transaction at a time for the event loop.

A dedicated thread and not an executor: its connection, its cache and its statements stay with it, and writes are in the
order in which they were asked for. Cancelling a caller never interrupts a transaction.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from lastseen.clock import SystemClock, rest
from lastseen.errors import StoreUnavailable

G = TypeVar("G")
T = TypeVar("T")
Work = Callable[[Connection], T]

STINT = 0.05
"""Seconds of work without a pause after which a polite thread rests, so that other processes get their turn."""

REST = 0.002

MOST_WAITING = 10_000
"""Pieces of work that wait for threads: one more is refused, where a database hangs and more and more comes."""


@dataclass(frozen=True, slots=True)
class Shared(Generic[G, T]):
    """Work that is cheaper for several at once: `do` takes what was given for each, and answers in their order. Where
    several wait one after the other, it is done once for all of them."""

    do: Callable[[Connection, Sequence[G]], Sequence[T]]
    given: G

    def __call__(self, connection: Connection) -> T:
        return self.do(connection, [self.given])[0]


class Session(Protocol):
    """A connection that is made when it is needed, and made anew after it broke. Used by one thread only."""

    def run(self, work: Work[T]) -> T:
        """In one transaction: committed when this returns, rolled back when it raises."""

    def close(self) -> None: ...


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    done: Callable[[], None]

    def answer(self, result: Any, error: BaseException | None) -> None:
        self.done()  # before whoever asked can ask again
        try:
            self.loop.call_soon_threadsafe(self._resolve, result, error)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more, and what was committed stays

    def _resolve(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Workers:
    """Up to `count` threads on one queue: one more is started where all are busy, since each has a connection, which
    costs the database something. `polite`: they rest now and then.

    `together`: how many waiting pieces of work one transaction may hold. They share its commit, which is what a write
    costs; if one of them fails, all are rolled back and each is done again on its own. So work must bear repeating, and
    have no effect but on the connection and in its result.
    """

    def __init__(
        self, name: str, count: int, make: Callable[[], Session], polite: bool = False, together: int = 1
    ) -> None:
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._make, self._polite, self._together = make, polite, together
        self._monotonic = SystemClock().monotonic
        self._open = True
        self._name, self._count = name, count
        self._threads: list[threading.Thread] = []
        self._under_way, self._counting = 0, threading.Lock()

    async def run(self, work: Work[T]) -> T:
        if not self._open:
            raise StoreUnavailable("the store is closed")
        if self._queue.qsize() >= MOST_WAITING:
            raise StoreUnavailable(f"{MOST_WAITING} reads or writes wait for the database")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._under_way >= len(self._threads) < self._count:
            self._start()
        with self._counting:
            self._under_way += 1
        self._queue.put(_Job(work, future, loop, self._one_less))
        return await future

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"lastseen-{self._name}-{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system gives no more of them
            if not self._threads:
                raise StoreUnavailable(f"no thread for the database: {error}") from None
        else:
            self._threads.append(thread)

    def _one_less(self) -> None:
        with self._counting:
            self._under_way -= 1

    async def close(self) -> None:
        """Finish what was asked for, then end."""
        if self._open:
            self._open = False
            for _ in self._threads:
                self._queue.put(None)
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        session, busy_since = self._make(), self._monotonic()
        try:
            while True:
                waited_since = self._monotonic()
                job = self._queue.get()
                if job is None:
                    return
                now = self._monotonic()
                if now - waited_since >= REST:
                    busy_since = now
                self._do_all(session, [job, *self._waiting()])
                if self._polite and self._monotonic() - busy_since >= STINT:
                    rest(REST)
                    busy_since = self._monotonic()
        finally:
            session.close()

    def _waiting(self) -> Iterator[_Job]:
        """What else is there already."""
        for _ in range(self._together - 1):
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return
            if job is None:
                self._queue.put(None)  # the end is for later: this is done first
                return
            yield job

    def _do_all(self, session: Session, jobs: list[_Job]) -> None:
        wanted = [job for job in jobs if not job.future.cancelled()]
        for _ in range(len(jobs) - len(wanted)):
            self._one_less()
        if len(wanted) > 1:
            try:
                results = session.run(lambda connection: _in_order(connection, [job.work for job in wanted]))
            except StoreUnavailable as error:  # none of them can be done: asking for each would only take longer
                for job in wanted:
                    job.answer(None, error)
                return
            except BaseException:  # noqa: BLE001, S110  (one of them failed: which one is found out and answered below)
                pass
            else:
                for job, result in zip(wanted, results, strict=True):
                    job.answer(result, None)
                return
        for job in wanted:
            self._do(session, job)

    def _do(self, session: Session, job: _Job) -> None:
        try:
            result = session.run(job.work)
        except BaseException as error:  # noqa: BLE001  (it belongs to whoever asked; the thread goes on)
            job.answer(None, error)
        else:
            job.answer(result, None)


def _in_order(connection: Connection, works: Sequence[Work[Any]]) -> list[Any]:
    """What each of them comes to."""
    results: list[Any] = []
    for do, some in itertools.groupby(works, key=lambda work: work.do if isinstance(work, Shared) else None):
        if do is None:
            results += [work(connection) for work in some]
        else:
            results += do(connection, [work.given for work in some if isinstance(work, Shared)])
    return results
