"""`POST /api/v1/heartbeats`: reports for many machines, by a fleet key. One bad row never rejects the others."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from lastseen.errors import Conflict, InvalidInput, LastseenError, MalformedReport, NotFound, UnknownMachine
from lastseen.ingest.asgi import Answer, Receive, Recording, Refused, Scope, Way, text_answer, whole_body
from lastseen.ingest.auth import Grant
from lastseen.ingest.gate import Gate
from lastseen.ingest.route import RawRoute, other_method
from lastseen.ingest.rows import MAX_BYTES, MOST_ROWS, split_rows
from lastseen.ingest.tally import count_rows
from lastseen.model import SLUG, Beat, MachineRef
from lastseen.problems import Problem
from lastseen.report import Report, beat_of, parse_row
from lastseen.words import plain

BULK_PATH = "/api/v1/heartbeats"

STRIDE = 500
"""Rows that are read without letting anybody else have a turn."""

TOGETHER = 100
"""Machines that are made at once: they share a commit."""

_TOO_LARGE = Problem(413, f"a batch is at most {MAX_BYTES // (1024 * 1024)} MiB long")
_DISABLED = "this machine is disabled"
_NO_ROW = "must be a JSON object with the field machine"
_json = msgspec.json.Encoder(enc_hook=plain)


class Names(Way, Protocol):
    """Machines by what they call themselves, which need be no slug."""

    def known(self, name: str) -> int | None: ...

    def forget(self, name: str) -> None: ...

    def machine(self, name: str, add: Mapping[str, Any] | None = None) -> Awaitable[int | None]: ...


class Declaring(Recording, Protocol):
    """A monitor that can also make machines."""

    @property
    def here(self) -> Names: ...

    def record_many(self, beats: Sequence[Beat]) -> Sequence[Future[None]]: ...

    def watch(self, machine: MachineRef, *, expect: str = "any", **changes: Any) -> Awaitable[Any]: ...


class BulkRoute(RawRoute):
    """The ASGI application behind `BULK_PATH`."""

    name = BULK_PATH

    def __init__(self, monitor: Declaring, gate: Gate) -> None:
        super().__init__(monitor)
        self._monitor, self._gate = monitor, gate

    async def take(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            return other_method(scope["method"])
        headers = dict(scope["headers"])
        grant = await self._gate.admit(scope, headers, "fleet")
        rows = split_rows(await self.reading(whole_body(headers, receive, MAX_BYTES, _TOO_LARGE)))
        if len(rows) > MOST_ROWS:
            raise Refused(Problem(413, f"at most {MOST_ROWS:,} rows are taken at once, here are {len(rows):,}"))
        disabled = (await self._gate.keys.out_of_service()).disabled
        batch = Batch(self._monitor, grant, disabled, self.answered)
        await batch.read(rows)
        await batch.store()
        answer = _json.encode({"accepted": batch.accepted, "rejected": batch.rejected()})
        return text_answer(200, "application/json", answer)


def made_with(grant: Grant) -> Mapping[str, Any] | None:
    """What the machines are made with that this key may make; None: it may make none."""
    defaults = grant.defaults or {}
    if not defaults.get("may_create"):
        return None
    return {name: defaults[name] for name in ("kind", "group", "tags") if defaults.get(name)}


Row = tuple[int, MachineRef, Report]
"""Its place in the request, who it speaks of, what it says."""


class Batch:
    """The rows of one request, on their way into the store."""

    def __init__(
        self, monitor: Declaring, grant: Grant, disabled: frozenset[MachineRef], answered: Callable[[], None]
    ) -> None:
        self._monitor, self._disabled, self._answered = monitor, disabled, answered
        self._port, self._made_with = monitor.here, made_with(grant)
        self._good: list[Row] = []
        self._called: dict[MachineRef, str] = {}  # the names of machines that are known by them
        self._errors: dict[int, str] = {}
        self._outcomes: Counter[str] = Counter()
        self.accepted = 0

    def rejected(self) -> list[dict[str, Any]]:
        return [{"index": index, "error": self._errors[index]} for index in sorted(self._errors)]

    async def read(self, rows: Sequence[bytes | memoryview]) -> None:
        for begin in range(0, len(rows), STRIDE):
            for index, row in enumerate(rows[begin : begin + STRIDE], begin):
                self._read(index, bytes(row))
            await asyncio.sleep(0)  # the heartbeats of others have their turn
        for outcome, count in self._outcomes.items():
            count_rows(outcome, count)

    def _read(self, index: int, row: bytes) -> None:
        try:
            machine, report = parse_row(row)
        except MalformedReport:
            self._reject(index, _NO_ROW, "malformed")
        except InvalidInput as error:
            self._reject(index, str(error), "malformed")
        else:
            known = self._port.known(machine) if isinstance(machine, str) else None
            if known is not None:
                self._called[known], machine = str(machine), known
            if machine in self._disabled:
                self._reject(index, _DISABLED, "refused")
            else:
                self._good.append((index, machine, report))

    def _reject(self, index: int, why: str, outcome: str) -> None:
        self._errors[index] = why
        self._outcomes[outcome] += 1

    async def store(self) -> None:
        """Return when all that is accepted is durable. Raises Busy and StoreUnavailable: then none is acknowledged."""
        unknown = await self._record(self._good)
        if unknown:
            unknown = await self._record(await self._find(unknown))
        for index, machine, _ in unknown:
            self._errors[index] = str(UnknownMachine(machine))

    async def _record(self, rows: list[Row]) -> list[Row]:
        """The rows of machines that are not there; all others are durable."""
        now = self._monitor.clock.now()
        beats = [beat_of(machine, now, report) for _, machine, report in rows]
        futures = self._monitor.record_many(beats)
        unknown = []
        failed: LastseenError | None = None
        for row, future in zip(rows, futures, strict=True):
            waits = not future.done()
            try:
                await future
            except UnknownMachine:
                unknown.append(row)
            except LastseenError as error:
                failed = error
            else:
                self.accepted += 1
            if waits:  # for the first of those that were stored together
                self._answered()
        if failed is not None:
            raise failed
        return unknown

    async def _find(self, unknown: list[Row]) -> list[Row]:
        """Those of these rows that can be stored after all: by a name that is no slug, or because their machine is made
        now. The others are rejected."""
        unknown = [(index, self._called.get(machine, machine), report) for index, machine, report in unknown]
        names = list(dict.fromkeys(machine for _, machine, _ in unknown if isinstance(machine, str)))
        found: dict[MachineRef, MachineRef | LastseenError] = {}
        for begin in range(0, len(names), TOGETHER):
            some = names[begin : begin + TOGETHER]
            found |= dict(zip(some, await asyncio.gather(*map(self._look_for, some)), strict=True))
            self._answered()
        rows = []
        for index, machine, report in unknown:
            there = found.get(machine, UnknownMachine(machine))
            if isinstance(there, LastseenError):
                self._errors[index] = str(there)
            elif there in self._disabled:
                self._errors[index] = _DISABLED
            else:
                rows.append((index, there, report))
        return rows

    async def _look_for(self, name: str) -> MachineRef | LastseenError:
        """The machine of this name; or what is wrong, if there is none and none can be made."""
        try:
            if SLUG.fullmatch(name):
                return await self._declare(name)
            if not any(sign.isprintable() and not sign.isspace() for sign in name):
                raise InvalidInput("must hold something that can be read", "machine")
            self._port.forget(name)
            return await self._port.machine(name, self._made_with) or UnknownMachine(name)
        except (InvalidInput, NotFound) as error:
            return error

    async def _declare(self, slug: str) -> MachineRef | LastseenError:
        if self._made_with is None:
            return UnknownMachine(slug)
        try:
            await self._monitor.watch(slug, expect="new", **self._made_with)
        except Conflict:
            return slug  # another request was quicker
        return slug
