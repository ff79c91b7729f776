"""The pure answer: what is wrong, and since when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.monitor.health import LATE, Part, Signs, health
from tests.watch.signs import NOW, WELL, ago

A_MOMENT = timedelta(microseconds=1)


def test_nothing_is_wrong_while_all_three_hold() -> None:
    assert health(WELL) == ()


@pytest.mark.parametrize(
    ("signs", "part", "since"),
    [
        ({"looked_at": ago(LATE + timedelta(seconds=30) + A_MOMENT)}, Part.MONITOR, ago(LATE + A_MOMENT)),
        ({"planned": ago(LATE + A_MOMENT)}, Part.MONITOR, ago(LATE + A_MOMENT)),
        ({"running": False}, Part.MONITOR, WELL.looked_at),
        ({"still_since": ago(timedelta(minutes=3))}, Part.OUTBOX, ago(timedelta(minutes=3))),
        ({"failing_since": ago(timedelta(seconds=1))}, Part.STORE, ago(timedelta(seconds=1))),
        ({"written_at": ago(LATE + timedelta(seconds=5) + A_MOMENT)}, Part.STORE, ago(LATE + A_MOMENT)),
        ({"unanswered": "no answer within 2 s"}, Part.STORE, NOW),
    ],
)
def test_each_sign_alone_is_told_with_its_beginning(signs: dict[str, object], part: Part, since: datetime) -> None:
    (trouble,) = health(replace(WELL, **signs))  # type: ignore[arg-type]
    assert (trouble.part, trouble.since) == (part, since)
    assert trouble.reason


@pytest.mark.parametrize(
    "signs",
    [
        {"looked_at": ago(LATE + timedelta(seconds=30))},
        {"planned": ago(LATE)},
        {"written_at": ago(LATE + timedelta(seconds=5))},
        {"planned": None},
        {"look_every": None, "looked_at": ago(timedelta(days=9)), "planned": None},
        {"write_every": None, "written_at": ago(timedelta(days=9))},
    ],
)
def test_what_is_only_slow_or_has_nothing_to_do_is_no_trouble(signs: dict[str, object]) -> None:
    assert health(replace(WELL, **signs)) == ()  # type: ignore[arg-type]


past = st.timedeltas(timedelta(0), timedelta(hours=2)).map(ago)
spans = st.none() | st.timedeltas(timedelta(seconds=1), timedelta(minutes=5))
signs_of_all_kinds = st.builds(
    Signs,
    now=st.just(NOW),
    running=st.booleans(),
    looked_at=past,
    look_every=spans,
    planned=st.none() | past | st.timedeltas(timedelta(0), timedelta(hours=1)).map(lambda ahead: NOW + ahead),
    written_at=past,
    write_every=spans,
    failing_since=st.none() | past,
    unanswered=st.sampled_from(["", "it cannot be read"]),
    still_since=st.none() | past,
)


@given(signs_of_all_kinds)
def test_a_part_is_told_of_once_and_never_from_the_future(signs: Signs) -> None:
    troubles = health(signs)
    parts = [trouble.part for trouble in troubles]
    assert len(parts) == len(set(parts))
    assert all(trouble.since <= signs.now for trouble in troubles)
    sweep = signs.running and not (
        (signs.planned is not None and NOW - signs.planned > LATE)
        or (signs.look_every is not None and NOW - signs.looked_at > LATE + signs.look_every)
    )
    writes = signs.write_every is None or NOW - signs.written_at <= LATE + signs.write_every
    store = not signs.unanswered and (not signs.running or (writes and signs.failing_since is None))
    moves = signs.still_since is None or not signs.running
    wrong = {Part.MONITOR: not sweep, Part.OUTBOX: not moves, Part.STORE: not store}
    assert set(parts) == {part for part, is_wrong in wrong.items() if is_wrong}


@given(signs_of_all_kinds, st.timedeltas(timedelta(0), timedelta(hours=1)))
def test_what_is_wrong_does_not_mend_by_waiting(signs: Signs, later: timedelta) -> None:
    before = {trouble.part for trouble in health(signs)}
    after = {trouble.part for trouble in health(replace(signs, now=signs.now + later))}
    assert before <= after
