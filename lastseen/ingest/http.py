"""`POST /api/v1/heartbeat`: the hot path, as raw ASGI.

It finds the key in memory, reads a small body, joins the batch that is being gathered, and answers when it is durable.
"""

from __future__ import annotations

from lastseen.clock import Clock
from lastseen.errors import LastseenError
from lastseen.ingest.asgi import (
    Answer,
    ClientGone,
    Receive,
    Recording,
    Refused,
    Scope,
    Send,
    answer,
    has_body,
    problem_answer,
    unexpected,
    whole_body,
    without_body,
)
from lastseen.ingest.gate import Gate, key_of, refusal, too_often
from lastseen.ingest.tally import count_gone, count_malformed, count_refusal
from lastseen.log import get_logger
from lastseen.model import Beat
from lastseen.problems import DISABLED, NO_KEY, UNEXPECTED, WRONG_KEY, Problem, problem_of
from lastseen.report import MAX_BYTES, Report, beat_of, parse_report

PATH = "/api/v1/heartbeat"

SKEW = 60.0
"""Seconds that a machine's clock may be off before it is worth a line in the log."""

SKEW_EVERY = 3600.0
_SKEWED_KEPT = 1000

_log = get_logger()

_STORED = answer(204)
_OPTIONS = answer(204, [(b"allow", b"OPTIONS, POST")])
_TOO_LARGE = Problem(413, f"a heartbeat's body is at most {MAX_BYTES // 1024} KiB")
_WRONG_METHOD = Problem(405, "heartbeats are sent with POST", headers={"Allow": "OPTIONS, POST"})
_FIXED = {id(p): problem_answer(p) for p in (NO_KEY, WRONG_KEY, DISABLED, UNEXPECTED)}


class HeartbeatRoute:
    """The ASGI application behind `PATH`. Never raises; what was not expected is logged and answered with 500."""

    def __init__(self, monitor: Recording, gate: Gate) -> None:
        self._record, self._clock = monitor.record, monitor.clock
        self._gate, self._keys, self._take_turn = gate, gate.keys, gate.by_key.take
        self._clocks = Clocks(monitor.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] == "POST":
                await self._take(scope, receive)
                start, body = _STORED
            else:
                start, body = other_method(scope["method"])
        except ClientGone:
            count_gone()
            return
        except Refused as refused:
            count_refusal(refused.problem)
            start, body = _FIXED.get(id(refused.problem)) or problem_answer(refused.problem)
        except LastseenError as error:
            count_malformed(error)
            start, body = problem_answer(problem_of(error) or unexpected(PATH, error))
        except Exception as error:  # noqa: BLE001  (one request must not end in a broken connection: logged, answered)
            start, body = problem_answer(unexpected(PATH, error))
        await send(start)
        await send(body)

    async def _take(self, scope: Scope, receive: Receive) -> None:
        """Return when the heartbeat is durable."""
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
            report = parse_report(await whole_body(headers, receive, MAX_BYTES, _TOO_LARGE))
            now = self._clock.now()  # heard when all of it has arrived: a body may take its time
            if report.said_at is not None:
                self._clocks.compare(grant.machine_id, report)
            beat = beat_of(grant.machine_id, now, report)
        else:
            beat = Beat(grant.machine_id, now)
        await self._record(beat)


class Clocks:
    """A machine's own time never decides anything; that it is wrong is worth knowing, once in a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._skewed: dict[int, float] = {}

    def compare(self, machine: int, report: Report) -> None:
        if report.said_at is None:
            return
        off = (report.said_at - self._clock.wall()).total_seconds()
        if abs(off) <= SKEW:
            return
        now = self._clock.monotonic()
        if self._skewed.get(machine, float("-inf")) + SKEW_EVERY > now:
            return
        if len(self._skewed) >= _SKEWED_KEPT:
            self._skewed.clear()
        self._skewed[machine] = now
        _log.warning("machine_clock_skewed", machine_id=machine, seconds=round(off))


def other_method(method: str) -> Answer:
    """What a route that takes POST alone says to the others."""
    if method == "OPTIONS":
        return _OPTIONS
    refused = problem_answer(_WRONG_METHOD)
    return without_body(refused) if method == "HEAD" else refused
