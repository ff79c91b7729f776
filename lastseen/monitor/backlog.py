"""What was said and is not heard yet: it stands in a socket of ours because this process was slow, or with a broker
that was. Nobody is found silent whose word may stand there: before it is decided, it is waited for.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from lastseen.clock import Clock
from lastseen.monitor.blindness import Listener
from lastseen.monitor.recorder import Recorder

TURNS = 5
"""Turns of the event loop after which it has read what stood in its sockets, and handed it on."""

WAITS = 2.0
"""Seconds that a look waits. What takes longer is waited for by the next one."""


class Backlog:
    def __init__(self, listener: Listener, recorder: Recorder, clock: Clock) -> None:
        self._listener, self._recorder, self._clock = listener, recorder, clock
        self._cleared = clock.now()
        self._asking: asyncio.Task[datetime] | None = None

    async def limit(self, now: datetime) -> datetime:
        """For which moment it may be decided: what was said until then is in the store, or its source is blind."""
        end = self._clock.monotonic() + WAITS
        while self._cleared < now:
            if self._asking is None:
                self._asking = asyncio.create_task(self._clear(), name="lastseen-backlog")
            await asyncio.wait([self._asking], timeout=max(0.0, end - self._clock.monotonic()))
            if not self._asking.done():
                break
            task, self._asking = self._asking, None
            self._cleared = task.result()
        return min(now, self._cleared)

    async def stop(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
            self._asking = None

    async def _clear(self) -> datetime:
        """Returns when it was begun."""
        began = self._clock.now()
        ears = [ear for ear in self._listener.ears.values() if ear.hears]
        await asyncio.gather(*[ear.catch_up() for ear in ears if ear.catch_up is not None])
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await self._recorder.stored()
        return began
