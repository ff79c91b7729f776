"""The texts about jobs: failed, missed, not finished, finished late. Pure.

They read of the snapshot, beside what every event of a machine has (all of it may be missing):

- `due`: `{at, until, note, last_success}` of the run that did not come: when it was due, until when it was waited for,
  what the change of clocks does to it.
- `run`: `{started_at, seconds, exit_code, outcome, last_line, allowed_seconds, usual_seconds, failures_in_row,
  last_success, was_overdue}` of the run that failed, is not finished, or ended.

Times are RFC 3339, spans seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from lastseen.durations import spell
from lastseen.model import Event, Status
from lastseen.notifiers.telling import (
    ALERT,
    GOOD,
    Item,
    Told,
    about_of,
    ended_at,
    machine_of,
    mapping,
    moment,
    name_of,
    seconds,
    since_of,
)
from lastseen.notifiers.wording import When, lasted, one_line

_ORDINALS = ("", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")
_EVENING, _MORNING = 20, 7


def run_of(event: Event) -> Mapping[str, Any]:
    return mapping(event.snapshot.get("run"))


def concerns(event: Event, reason: str) -> bool:
    """Whether an outage for this reason is one of a job, as far as its snapshot tells."""
    return bool(run_of(event) if reason == "run" else _due(event))


def was_overdue(event: Event) -> bool:
    return run_of(event).get("was_overdue") is True and seconds(run_of(event).get("seconds")) is not None


def _due(event: Event) -> Mapping[str, Any]:
    return mapping(event.snapshot.get("due"))


def missed(told: Told, when: When) -> Item:
    event, due = told.delivery.event, _due(told.delivery.event)
    at = moment(due.get("at")) or since_of(event)
    over = ended_at(told)
    if over is not None:
        return Item(
            GOOD, name_of(event), f" ran late: due {when.at(at)}", ("", f"It came {when.at(over)}."), instead=True
        )
    until = moment(due.get("until"))
    waited = f"Waited until {when.at(until)}." if until is not None else ""
    heard = _last_success(moment(due.get("last_success")), when) or _last_heard(event, when)
    return Item(
        mark=ALERT,
        name=name_of(event),
        after=f" did not run: due {when.at(at)}" + (f" ({lasted(when.now - at)} ago)" if told.late else ""),
        lines=(_sentences(waited, heard), str(due.get("note") or ""), about_of(event)),
        word="did not run",
    )


def unfinished(told: Told, when: When) -> Item:
    event, run = told.delivery.event, run_of(told.delivery.event)
    began = moment(run.get("started_at")) or since_of(event)
    over = ended_at(told)
    if over is not None:
        return Item(
            GOOD,
            name_of(event),
            f" ended after {lasted(over - began)}",
            ("", f"It began {when.at(began)}."),
            instead=True,
        )
    allowed, usual = seconds(run.get("allowed_seconds")), seconds(run.get("usual_seconds"))
    limits = [f"{spell(allowed)} allowed"] if allowed else []
    limits += [f"usually {lasted(usual)}"] if usual else []
    return Item(
        mark=ALERT,
        name=name_of(event),
        after=f" started {when.at(began)}, not finished",
        lines=(f"{', '.join(limits)}." if limits else "", about_of(event)),
        word="not finished",
    )


def finished(told: Told, when: When) -> Item:
    event = told.delivery.event
    took = seconds(run_of(event).get("seconds")) or timedelta(0)
    return Item(GOOD, name_of(event), f" finished after {lasted(took)}")


def failed(told: Told, when: When) -> Item:
    event, run = told.delivery.event, run_of(told.delivery.event)
    said = one_line(str(run.get("last_line") or event.snapshot.get("message") or ""))
    if told.ended is not None:
        again = told.ended.event.at
        after = f" failed {when.at(since_of(event))}, OK again {when.at(again)}"
        return Item(GOOD, name_of(event), after, ("", said), instead=True)
    code, took = run.get("exit_code"), seconds(run.get("seconds"))
    after = " failed" + (f" (exit {code})" if isinstance(code, int) and code else "")
    after += f" after {lasted(took)}" if took else ""
    success = moment(run.get("last_success"))
    row = _row(run.get("failures_in_row"), success, event.at, when)
    lines = (said, _sentences(row, _last_success(success, when)), about_of(event))
    return Item(ALERT, name_of(event), after, lines, word="failed")


def _row(count: Any, success: datetime | None, at: datetime, when: When) -> str:
    """`Third night in a row.` One failure is none."""
    if not isinstance(count, int) or count < 2:
        return ""
    ordinal = _ORDINALS[count] if count < len(_ORDINALS) else _th(count)
    return f"{ordinal} {_unit(count, success, at, when)} in a row."


def _th(number: int) -> str:
    last = 0 if number // 10 % 10 == 1 else number % 10
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def _unit(count: int, success: datetime | None, at: datetime, when: When) -> str:
    """What it fails each: a night or a day, where it failed once on each since it was well; else a time."""
    local = at.astimezone(when.zone)
    if success is None or (local.date() - success.astimezone(when.zone).date()).days != count:
        return "time"
    return "night" if local.hour >= _EVENING or local.hour < _MORNING else "day"


def _last_success(success: datetime | None, when: When) -> str:
    return "" if success is None else f"Last success: {when.recently(success)}."


def _last_heard(event: Event, when: When) -> str:
    seen = moment(machine_of(event).get("last_seen")) or event.last_seen
    if seen is None:
        return ""
    words = "Last heard" if event.previous_status is Status.ERROR else "Last success"
    return f"{words}: {when.recently(seen)}."


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)


OFFLINE: Mapping[str, Callable[[Told, When], Item]] = {"silent": missed, "run": unfinished}
