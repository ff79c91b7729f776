"""Who did what, beside a `State`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice

from lastseen.model import Event, Verdict, replace
from lastseen.model.people import Deed, Tell, Witnessed
from lastseen.model.retention import Keep, Pruned
from lastseen.storage import witness
from lastseen.storage.state import KEPT
from lastseen.storage.state_retention import Forgets


class Attested(Forgets):
    """`Deeds` and `Witness` over a `State`: as far back as this object wrote them, and memory keeps them."""

    _deeds: deque[Deed] | None = None
    _deed = 0

    def witness(self, tell: Tell) -> AbstractContextManager[Witnessed]:
        return witness.witness(tell)

    async def keep_deeds(self, deeds: Sequence[Deed]) -> None:
        async with self.turn():
            self._attest(deeds)

    async def deeds(
        self, limit: int = 100, before: int | None = None, subject: str | None = None, by: str | None = None
    ) -> Sequence[Deed]:
        async with self.turn():
            wanted = (
                deed
                for deed in reversed(self._deeds or ())
                if (before is None or deed.id < before) and subject in (None, deed.subject) and by in (None, deed.by)
            )
            return list(islice(wanted, limit))

    async def prune(self, keep: Keep, now: datetime, after: str | None = None, limit: int = 500) -> Pruned:
        done = await super().prune(keep, now, after, limit)
        if keep.events is None or done.after is not None:
            return done
        async with self.turn():
            known = self._deeds or deque[Deed]()
            old = [deed for deed in known if deed.at < now - keep.events]
            for deed in old:
                known.remove(deed)
        return replace(done, gone={**done.gone, "audit_log": len(old)}) if old else done

    def _write(self, machine_id: int, verdict: Verdict) -> list[Event]:
        """Nobody else has a turn until this is over: what changes and its deeds are there together."""
        new = super()._write(machine_id, verdict)
        if (span := witness.due()) is not None:
            span.deeds = span.tell(new)
            self._attest(span.deeds)
        return new

    def _attest(self, deeds: Sequence[Deed]) -> None:
        self._deeds = deque(maxlen=KEPT) if self._deeds is None else self._deeds
        for deed in deeds:
            self._deed += 1
            self._deeds.append(replace(deed, id=self._deed))
