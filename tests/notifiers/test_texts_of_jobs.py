"""What people read about jobs and about ways in that were blind, by the table of texts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lastseen.model import Event, Severity, Status, replace
from lastseen.notifiers.message import render
from tests.notifiers.builders import at, delivery, event, offline, online, text


def read(*events: Event, now: datetime, **options: Any) -> list[str]:
    return render([delivery(one) for one in events], now, **{"tz": UTC, **options}).text.splitlines()


def run(**changes: Any) -> dict[str, Any]:
    """The part `run` of a snapshot, as the monitor writes it."""
    return {
        "name": None,
        "started_at": text(at("03:00")),
        "ended_at": None,
        "seconds": None,
        "exit_code": None,
        "outcome": None,
        "last_line": "",
        "allowed_seconds": 7200,
        "usual_seconds": None,
        "failures_in_row": 0,
        "last_success": None,
        "was_overdue": False,
        **changes,
    }


def failed(**changes: Any) -> Event:
    ended = {"ended_at": text(at("03:14")), "seconds": 840, "outcome": "fail", "failures_in_row": 1}
    told = {"kind": "job", "reason": "error", "status": Status.ERROR, "since": text(at("03:14"))}
    return event("machine.error", at("03:14"), "backup-nas", run=run(**ended | changes), **told)


def missed(**changes: Any) -> Event:
    due = {
        "at": text(at("03:00")),
        "until": text(at("04:00")),
        "note": "",
        "last_success": text(at("03:16", 9)),
        **changes,
    }
    return offline("backup-nas", since="03:16", noticed="04:00", kind="job", due=due)


def unfinished(**changes: Any) -> Event:
    told = {"kind": "job", "reason": "run"}
    return offline("backup-nas", since="03:00", noticed="05:00", run=run(**changes), **told)


# -- failed


def test_a_job_that_failed() -> None:
    told = failed(
        exit_code=2, last_line="no space left on device", last_success=text(at("03:16", 6)), failures_in_row=4
    )
    message = render([delivery(told)], at("03:14:01"), tz=UTC)
    assert message.text.splitlines() == [
        "🔴 backup-nas failed (exit 2) after 14 min",
        "no space left on device",
        "Fourth night in a row. Last success: Mon 03:16.",
    ]
    assert message.html.startswith("🔴 <b>backup-nas</b> failed (exit 2) after 14 min\n")
    assert message.loud


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["🔴 backup-nas failed after 14 min"]),
        ({"seconds": None, "exit_code": 0}, ["🔴 backup-nas failed"]),
        ({"seconds": 0.4, "exit_code": 127}, ["🔴 backup-nas failed (exit 127) after 0 s"]),
        ({"seconds": 11_520, "exit_code": 1}, ["🔴 backup-nas failed (exit 1) after 3 h 12 min"]),
        ({"last_success": text(at("03:16", 9))}, ["…", "Last success: yesterday 03:16."]),
        ({"last_success": text(at("01:16"))}, ["…", "Last success: 01:16."]),
        ({"failures_in_row": 2}, ["…", "Second time in a row."]),
        ({"failures_in_row": 11}, ["…", "11th time in a row."]),
        ({"failures_in_row": 21}, ["…", "21st time in a row."]),
        (
            {"failures_in_row": 2, "last_success": text(at("02:16"))},
            ["…", "Second time in a row. Last success: 02:16."],
        ),
        ({"last_line": "a\x00b\nc"}, ["…", "a b c"]),
    ],
)
def test_what_is_not_known_of_a_failure_is_not_said(changes: dict[str, Any], lines: list[str]) -> None:
    told = read(failed(**changes), now=at("03:14:01"))
    assert told[1:] == lines[1:]
    assert lines[0] in ("…", told[0])


def test_a_failure_by_day_is_no_night() -> None:
    told = failed(failures_in_row=2, last_success=text(at("03:16", 8)))
    assert read(told, now=at("03:14:01"), tz=ZoneInfo("Asia/Kolkata"))[-1].startswith("Second day in a row.")
    assert read(told, now=at("03:14:01"))[-1].startswith("Second night in a row.")


def test_a_failure_without_output_says_what_was_reported() -> None:
    told = event("machine.error", at("03:14"), "backup-nas", run=run(outcome="fail"), message="repository locked")
    assert read(told, now=at("03:14:01"))[:2] == ["🔴 backup-nas failed", "repository locked"]


def test_a_failure_and_the_success_after_it_are_one_message_when_both_wait() -> None:
    again = event("machine.online", at("04:10"), "backup-nas", previous_status=Status.ERROR, status=Status.ONLINE)
    assert read(failed(last_line="no space"), again, now=at("05:00")) == [
        "🟢 backup-nas failed 03:14, OK again 04:10",
        "Told late: it waited since 03:14.",
        "no space",
    ]


def test_a_machine_that_is_no_job_keeps_its_own_words() -> None:
    told = event("machine.error", at("03:12"), "pump-3", message="stuck", since=text(at("03:12")), run=None)
    assert read(told, now=at("03:12:01"))[0] == "🟠 pump-3: stuck"


# -- missed


def test_a_job_that_did_not_run() -> None:
    assert read(missed(), now=at("04:00:01")) == [
        "🔴 backup-nas did not run: due 03:00",
        "Waited until 04:00. Last success: yesterday 03:16.",
    ]


def test_the_night_on_which_clocks_go_forward_is_explained() -> None:
    note = "02:30 did not exist tonight; some schedulers skip it."
    assert read(missed(note=note), now=at("04:00:01"))[-1] == note


def test_times_are_those_of_the_reader() -> None:
    lines = read(missed(), now=at("04:00:01"), tz=ZoneInfo("America/New_York"))
    assert lines == [
        "🔴 backup-nas did not run: due Thu 23:00",
        "Waited until 00:00. Last success: Wed 23:16.",
    ]


def test_a_missed_run_that_is_told_late_says_for_how_long() -> None:
    assert read(missed(), now=at("09:00:00"))[:2] == [
        "🔴 backup-nas did not run: due 03:00 (6 h ago)",
        "Waited until 04:00. Last success: yesterday 03:16.",
    ]


def test_what_was_heard_last_is_no_success_when_it_was_a_failure() -> None:
    due = {"at": text(at("03:00")), "until": text(at("04:00")), "note": ""}
    told = offline("backup-nas", since="03:16", noticed="04:00", due=due, previous_status=Status.ERROR)
    assert read(told, now=at("04:00:01"))[1] == "Waited until 04:00. Last heard: 03:16."


def test_a_missed_run_that_came_before_it_was_told() -> None:
    came = online("backup-nas", since="03:16", until="05:20")
    assert read(missed(), came, now=at("06:00")) == [
        "🟢 backup-nas ran late: due 03:00",
        "Told late: it waited since 04:00.",
        "It came 05:20.",
    ]


# -- not finished


def test_a_job_that_is_not_finished() -> None:
    assert read(unfinished(usual_seconds=840), now=at("05:00:01")) == [
        "🔴 backup-nas started 03:00, not finished",
        "2 h allowed, usually 14 min.",
    ]
    assert read(unfinished(), now=at("05:00:01"))[1] == "2 h allowed."
    assert read(unfinished(allowed_seconds=None), now=at("05:00:01"))[1:] == []


def test_a_job_that_finished_late() -> None:
    done = online(
        "backup-nas", since="03:00", until="06:12", run=run(seconds=11_520, outcome="success", was_overdue=True)
    )
    message = render([delivery(done, reply_to="9")], at("06:12:01"), tz=UTC)
    assert message.text == "🟢 backup-nas finished after 3 h 12 min"
    assert (message.loud, message.reply_to) == (False, "9")


def test_a_job_that_finished_before_it_was_told_that_it_had_not() -> None:
    done = online("backup-nas", since="03:00", until="06:12", run=run(seconds=11_520, was_overdue=True))
    assert read(unfinished(), done, now=at("07:00")) == [
        "🟢 backup-nas ended after 3 h 12 min",
        "Told late: it waited since 05:00.",
        "It began 03:00.",
    ]


def test_jobs_in_one_message_are_counted_as_what_they_are() -> None:
    one = failed()
    second = offline("backup-db", 2, since="03:16", noticed="04:00", due={"at": text(at("03:00"))})
    assert read(one, second, now=at("04:00:01"))[0] == "🔴 1 failed, 1 did not run"
    third = offline("backup-web", 3, since="03:16", noticed="04:00", due={"at": text(at("03:00"))})
    assert read(second, third, now=at("04:00:01"))[0] == "🔴 2 did not run: backup-db, backup-web"


# -- ways in


def source(type_: str, when: datetime, name: str = "mqtt-home", kind: str = "mqtt", **changes: Any) -> Event:
    return Event(
        uid=f"e-{type_}-{name}",
        type=type_,
        severity=Severity.ALERT if type_.endswith("blind") else Severity.INFO,
        at=when,
        reason="link",
        source=2,
        snapshot={
            "machine": None,
            "source": {"id": 2, "name": name, "kind": kind},
            "since": text(at("03:00")),
            "seconds": (when - at("03:00")).total_seconds(),
            "held": 40,
            "message": "",
            **changes,
        },
    )


def test_a_broker_that_is_lost_and_back() -> None:
    lost = render([delivery(source("source.blind", at("03:05")), outage=None)], at("03:05:01"), tz=UTC)
    assert lost.text.splitlines() == [
        "🟡 Broker mqtt-home lost since 03:00",
        "40 devices are held: unknown until it is back.",
    ]
    assert lost.html.startswith("🟡 Broker <b>mqtt-home</b> lost since 03:00")
    assert not lost.loud
    assert blind_read(source("source.restored", at("03:12")), now=at("03:12:01")) == [
        "🟢 Broker mqtt-home back after 12 min",
        "40 devices were held; no outage is counted.",
    ]


def blind_read(*events: Event, now: datetime) -> list[str]:
    return render([delivery(one, outage=None) for one in events], now, tz=UTC).text.splitlines()


def test_who_is_still_waited_for_is_named_where_it_is_known() -> None:
    told = source("source.restored", at("03:12"), heard=39, waiting=["door-garage"])
    assert blind_read(told, now=at("03:12:01"))[1] == "39 of 40 heard again. Waiting for: door-garage"
    told = source("source.restored", at("03:12"), heard=33, waiting=[f"d{n}" for n in range(7)])
    assert blind_read(told, now=at("03:12:01"))[1] == "33 of 40 heard again. Waiting for: d0, d1, d2, d3, d4 and 2 more"
    told = source("source.restored", at("03:12"), heard=40, waiting=[])
    assert blind_read(told, now=at("03:12:01"))[1] == "40 of 40 heard again."


@pytest.mark.parametrize(
    ("kind", "held", "line"),
    [
        ("mqtt", 1, "1 device is held: unknown until it is back."),
        ("code", 1, "1 machine is held: unknown until it is back."),
        ("code", 2, "2 machines are held: unknown until it is back."),
        ("code", 0, None),
        ("code", None, None),
    ],
)
def test_what_is_held_is_counted_in_plain_words(kind: str, held: int | None, line: str | None) -> None:
    told = blind_read(source("source.blind", at("03:05"), "gateway", kind, held=held), now=at("03:05:01"))
    assert told[0] == f"🟡 {'Broker' if kind == 'mqtt' else 'Source'} gateway lost since 03:00"
    assert told[1:] == ([] if line is None else [line])


def test_a_broker_that_is_back_before_it_was_told_is_one_message() -> None:
    both = source("source.blind", at("03:05")), source("source.restored", at("03:12"))
    assert blind_read(*both, now=at("03:30"))[0] == "🟢 Broker mqtt-home back after 12 min"
    others = source("source.blind", at("03:05")), source("source.blind", at("03:05"), "mqtt-shed")
    assert blind_read(*others, now=at("03:06"))[0] == "🟡 2 lost: mqtt-home, mqtt-shed"


def test_our_own_deafness_is_told_as_ours() -> None:
    told = source("source.restored", at("03:40"), "http", "http", held=60)
    assert blind_read(told, now=at("03:40:01")) == [
        "⚪ I heard nobody 03:00–03:40",
        "60 machines were held.",
        "No outage is counted.",
    ]
    told = source("source.restored", at("03:40"), "http", "http", held=60, heard=60, waiting=[])
    told = replace(told, reason="uplink")
    assert blind_read(told, now=at("03:40:01")) == [
        "⚪ I heard nobody 03:00–03:40",
        "My own line was down. 60 machines were held.",
        "60 of 60 heard again.",
        "No outage is counted.",
    ]


# -- whatever is in a snapshot


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just("2025-10-10T03:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
RUN = ("started_at", "seconds", "exit_code", "last_line", "allowed_seconds", "usual_seconds", "failures_in_row")


@settings(deadline=None, max_examples=150)
@given(
    type_=st.sampled_from(["machine.offline", "machine.error", "machine.online", "source.blind", "source.restored"]),
    reason=st.sampled_from(["silent", "run"]),
    ran=values
    | st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys([*RUN, "last_success"], values),
            "outcome": st.just("fail"),
            "was_overdue": st.just(True),
        },
    ),
    due=values | st.fixed_dictionaries({}, optional=dict.fromkeys(["at", "until", "note", "last_success"], values)),
    rest=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["source", "held", "heard", "waiting", "seconds", "since"], values)
    ),
)
@example("source.restored", "silent", None, None, {"seconds": 10**11})
def test_nothing_in_a_snapshot_breaks_a_text(type_: str, reason: str, ran: Any, due: Any, rest: dict[str, Any]) -> None:
    told = event(type_, at("03:00"), reason=reason, run=ran, due=due, **rest)
    assert render([delivery(told, outage=None)], at("04:00"), tz=UTC).title
