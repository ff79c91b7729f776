"""`POST /api/v1/heartbeats`: reports for many machines, by a fleet key. One bad row never rejects the others."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from lastseen.errors import Conflict, InvalidInput, LastseenError, MalformedReport, NotFound, UnknownMachine
from lastseen.ingest.asgi import (
    Answer,
    ClientGone,
    Receive,
    Recording,
    Refused,
    Scope,
    Send,
    problem_answer,
    text_answer,
    unexpected,
    whole_body,
)
from lastseen.ingest.auth import Grant
from lastseen.ingest.gate import Gate
from lastseen.ingest.http import other_method
from lastseen.ingest.rows import MAX_BYTES, MOST_ROWS, split_rows
from lastseen.ingest.tally import count_gone, count_malformed, count_refusal, count_rows
from lastseen.model import SLUG, Beat, MachineRef
from lastseen.problems import Problem, problem_of
from lastseen.report import Report, beat_of, parse_row

BULK_PATH = "/api/v1/heartbeats"

STRIDE = 500
"""Rows that are read without letting anybody else have a turn."""

TOGETHER = 100
"""Machines that are made at once: they share a commit."""

_TOO_LARGE = Problem(413, f"a batch is at most {MAX_BYTES // (1024 * 1024)} MiB long")
_DISABLED = "this machine is disabled"
_NO_ROW = "must be a JSON object with the field machine"
_json = msgspec.json.Encoder()


class Declaring(Recording, Protocol):
    """A monitor that can also make machines."""

    def record_many(self, beats: Sequence[Beat]) -> Sequence[Future[None]]: ...

    def watch(self, machine: MachineRef, *, expect: str = "any", **changes: Any) -> Awaitable[Any]: ...


class BulkRoute:
    """The ASGI application behind `BULK_PATH`. Never raises."""

    def __init__(self, monitor: Declaring, gate: Gate) -> None:
        self._monitor, self._gate = monitor, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "POST":
                start, body = await self._take(scope, receive)
            else:
                start, body = other_method(scope["method"])
        except ClientGone:
            count_gone()
            return
        except Refused as refused:
            count_refusal(refused.problem)
            start, body = problem_answer(refused.problem)
        except LastseenError as error:
            count_malformed(error)
            start, body = problem_answer(problem_of(error) or unexpected(BULK_PATH, error))
        except Exception as error:  # noqa: BLE001  (one request must not end in a broken connection: logged, answered)
            start, body = problem_answer(unexpected(BULK_PATH, error))
        await send(start)
        await send(body)

    async def _take(self, scope: Scope, receive: Receive) -> Answer:
        headers = dict(scope["headers"])
        grant = await self._gate.admit(scope, headers, "fleet")
        rows = split_rows(await whole_body(headers, receive, MAX_BYTES, _TOO_LARGE))
        if len(rows) > MOST_ROWS:
            raise Refused(Problem(413, f"at most {MOST_ROWS:,} rows are taken at once, here are {len(rows):,}"))
        batch = Batch(self._monitor, grant, (await self._gate.keys.out_of_service()).disabled)
        await batch.read(rows)
        await batch.store()
        answer = _json.encode({"accepted": batch.accepted, "rejected": batch.rejected()})
        return text_answer(200, "application/json", answer)


Row = tuple[int, MachineRef, Report]
"""Its place in the request, who it speaks of, what it says."""


class Batch:
    """The rows of one request, on their way into the store."""

    def __init__(self, monitor: Declaring, grant: Grant, disabled: frozenset[MachineRef]) -> None:
        self._monitor, self._disabled = monitor, disabled
        self._defaults: Mapping[str, Any] = grant.defaults or {}
        self._good: list[Row] = []
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
            if machine in self._disabled:
                self._reject(index, _DISABLED, "refused")
            elif isinstance(machine, str) and not SLUG.fullmatch(machine):
                self._reject(index, str(UnknownMachine(machine)), "unknown")
            else:
                self._good.append((index, machine, report))

    def _reject(self, index: int, why: str, outcome: str) -> None:
        self._errors[index] = why
        self._outcomes[outcome] += 1

    async def store(self) -> None:
        """Return when all that is accepted is durable. Raises Busy and StoreUnavailable: then none is acknowledged."""
        unknown = await self._record(self._good)
        if unknown and self._defaults.get("may_create"):
            unknown = await self._record(await self._make(unknown))
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
            try:
                await future
            except UnknownMachine:
                unknown.append(row)
            except LastseenError as error:
                failed = error
            else:
                self.accepted += 1
        if failed is not None:
            raise failed
        return unknown

    async def _make(self, unknown: list[Row]) -> list[Row]:
        """Make the machines of these rows. The rows that can be stored now; the others are rejected."""
        names = list(dict.fromkeys(machine for _, machine, _ in unknown if isinstance(machine, str)))
        refused: dict[str, str | None] = {}
        for begin in range(0, len(names), TOGETHER):
            some = names[begin : begin + TOGETHER]
            refused |= dict(zip(some, await asyncio.gather(*map(self._declare, some)), strict=True))
        for index, machine, _ in unknown:
            why = str(UnknownMachine(machine)) if isinstance(machine, int) else refused[machine]
            if why is not None:
                self._errors[index] = why
        return [row for row in unknown if row[0] not in self._errors]

    async def _declare(self, name: str) -> str | None:
        """Make one, if it is not there by now. What is wrong, if it cannot be made."""
        given = {field: self._defaults[field] for field in ("kind", "group", "tags") if self._defaults.get(field)}
        try:
            await self._monitor.watch(name, expect="new", **given)
        except Conflict:
            return None
        except (InvalidInput, NotFound) as error:
            return str(error)
        return None
