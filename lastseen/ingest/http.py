"""`POST /api/v1/heartbeat`: the hot path, as raw ASGI.

It finds the key in memory, reads a small body, joins the batch that is being gathered, and answers when it is durable.
"""

from __future__ import annotations

from lastseen.clock import Clock, told_time
from lastseen.ingest.asgi import (
    Answer,
    Receive,
    Recording,
    Refused,
    Scope,
    answer,
    has_body,
    problem_answer,
    whole_body,
)
from lastseen.ingest.gate import Gate, key_of, refusal, too_often
from lastseen.ingest.route import RawRoute, other_method
from lastseen.log import get_logger
from lastseen.model import Beat
from lastseen.problems import DISABLED, NO_KEY, UNEXPECTED, WRONG_KEY, Problem
from lastseen.report import MAX_BYTES, Report, beat_of, parse_report

HEARTBEAT_PATH = "/api/v1/heartbeat"

SKEW = 60.0
"""Seconds that a machine's clock may be off before it is worth a line in the log."""

SKEW_EVERY = 3600.0
_SKEWED_KEPT = 1000

_log = get_logger()

_STORED = answer(204)
_TOO_LARGE = Problem(413, f"a heartbeat's body is at most {MAX_BYTES // 1024} KiB")
_FIXED = {id(p): problem_answer(p) for p in (NO_KEY, WRONG_KEY, DISABLED, UNEXPECTED)}


class HeartbeatRoute(RawRoute):
    """The ASGI application behind `HEARTBEAT_PATH`."""

    name = HEARTBEAT_PATH

    def __init__(self, monitor: Recording, gate: Gate) -> None:
        super().__init__(monitor)
        self._record, self._clock = monitor.record, monitor.clock
        self._gate, self._keys, self._take_turn = gate, gate.keys, gate.by_key.take
        self._clocks = Clocks(monitor.clock)

    async def take(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            return other_method(scope["method"])
        headers = dict(scope["headers"])
        now = self._clock.now()
        key = key_of(headers)
        grant = self._keys.get(key, now)
        if grant is None:
            grant = await self._gate.find(scope, key)
            now = self._clock.now()
        if grant.scope != "machine" or grant.machine_id is None or not grant.enabled:
            raise Refused(refusal(grant, "machine"))
        wait = self._take_turn(grant.key_id)
        if wait:
            raise Refused(too_often("this key is used too often", wait))
        if has_body(headers):
            report = parse_report(await self.reading(whole_body(headers, receive, MAX_BYTES, _TOO_LARGE)))
            now = self._clock.now()  # heard when all of it has arrived: a body may take its time
            if report.said_at is not None:
                self._clocks.compare(grant.machine_id, report)
            beat = beat_of(grant.machine_id, now, report)
        else:
            beat = Beat(grant.machine_id, now)
        await self._record(beat)
        return _STORED

    def refuse(self, problem: Problem) -> Answer:
        return _FIXED.get(id(problem)) or problem_answer(problem)


class Clocks:
    """A machine's own time never decides anything; that it is wrong is worth knowing, once in a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._skewed: dict[int, float] = {}

    def compare(self, machine: int, report: Report) -> None:
        if report.said_at is None:
            return
        off = (report.said_at - told_time(self._clock)).total_seconds()
        if abs(off) <= SKEW:
            return
        now = self._clock.monotonic()
        if self._skewed.get(machine, float("-inf")) + SKEW_EVERY > now:
            return
        if len(self._skewed) >= _SKEWED_KEPT:
            self._skewed.clear()
        self._skewed[machine] = now
        _log.warning("machine_clock_skewed", machine_id=machine, seconds=round(off))
