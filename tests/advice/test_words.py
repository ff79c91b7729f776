"""What is said of a limit, word by word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lastseen.monitor.advice import Advice, Silence, advise, alarms
from lastseen.monitor.advice_words import of_alarms, sentences, within
from tests.advice.test_advice import tallies

MONTH, LIMIT = timedelta(days=30), timedelta(minutes=2)
START = datetime(2026, 3, 28, tzinfo=UTC)


def silences(*minutes: float) -> list[Silence]:
    return [
        Silence(START + timedelta(days=day), START + timedelta(days=day, minutes=one))
        for day, one in enumerate(minutes)
    ]  # fmt: skip


def said(
    count: int, every: float = 25, lasted: list[Silence] | None = None, limit: timedelta | None = LIMIT
) -> list[str]:
    found: Advice = advise(tallies([timedelta(seconds=every)] * count), lasted or [], limit)
    return sentences(found, MONTH, UTC)


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert said(0) == [
        "Nothing is known yet: no interval between two of its heartbeats was counted.",
        "It was not found silent in 30 d.",
        "A limit is proposed when 100 intervals are counted.",
    ]
    assert said(7)[0] == "Too little is known: 7 intervals counted since 2026-03-28."
    assert said(30)[0] == (
        "Of 30 intervals between its heartbeats, counted since 2026-03-28, "
        "90 % came within 26 s; none took longer than 26 s."
    )


def test_what_would_fit_is_said_with_what_it_would_have_made_of_the_time() -> None:
    counted = (
        "Of 40,000 intervals between its heartbeats, counted since 2026-03-28, 99.9 % came within 26 s, "
        "99 % came within 26 s, 90 % came within 26 s; none took longer than 26 s."
    )
    assert said(40_000) == [
        counted,
        "It was not found silent in 30 d.",
        "A limit of 1 min would have raised no false alarm in 30 d, as far as was counted; its limit is 2 min.",
    ]
    assert said(40_000, lasted=silences(3, 3.5, 90)) == [
        counted,
        "It was found silent 3 times in 30 d, and 2 of them were over within 4 min: false alarms, perhaps.",
        "A limit of 4 min would have raised no false alarm in 30 d, and would have told of 1 outage; "
        "its limit is 2 min.",
    ]
    assert said(40_000, lasted=silences(3))[1] == (
        "It was found silent once in 30 d, and it was over within 4 min: a false alarm, perhaps."
    )
    assert said(40_000, limit=timedelta(minutes=1))[-1] == "Its limit of 1 min fits."
    assert said(40_000, limit=None)[-1].endswith("as far as was counted; its limit is never.")
    assert said(200)[-1] == "It was counted for less than a week: other days may be otherwise."


def test_of_a_machine_with_a_schedule_no_limit_is_proposed() -> None:
    found = sentences(advise(tallies([timedelta(hours=1)] * 200), [], LIMIT), MONTH, UTC, "By a schedule.")
    assert found[-1] == "By a schedule."
    assert not any("A limit of" in one for one in found)


def test_any_limit_can_be_asked_about() -> None:
    counted = tallies([timedelta(seconds=25)] * 1000 + [timedelta(seconds=50)] * 2)
    assert of_alarms(alarms(counted, silences(3, 90), timedelta(seconds=40)), 1002, MONTH) == (
        "A limit of 40 s would have told of 2 outages in 30 d; 2 of the 1,002 counted intervals may have been longer."
    )
    assert of_alarms(alarms(counted, silences(3, 90), timedelta(minutes=5)), 1002, MONTH) == (
        "A limit of 5 min would have told of 1 outage in 30 d; none of the 1,002 counted intervals was longer."
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.31, "0.4 s"), (9.95, "10 s"), (10.2, "11 s"), (60.1, "1 min 1 s"), (90_000, "1 d 1 h")]
)
def test_a_time_is_never_said_shorter_than_it_is(seconds: float, text: str) -> None:
    assert within(timedelta(seconds=seconds)) == text
