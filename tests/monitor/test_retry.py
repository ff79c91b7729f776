"""What follows from a send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastseen.model import (
    Attempt,
    Channel,
    ChannelState,
    Delivered,
    Delivery,
    Event,
    Notification,
    NotificationState,
    Outcome,
    Rejected,
    Retry,
    Scope,
    Sent,
    Severity,
    notification_uid,
    replace,
)
from lastseen.notifiers.retry import SCHEDULES, follow

NOW = datetime(2026, 5, 1, 3, 0, tzinfo=UTC)
WEBHOOK, CHAT = SCHEDULES["webhook"], SCHEDULES["chat"]
CHANNEL = Channel(uid="ch-1", name="ops", type="webhook", id=7)
OTHER = Channel(uid="ch-2", name="pager", type="webhook", id=8)
EVENT_UID = "0f4ac8a1-5d3c-5c0a-9f6b-0000000000ff"


def notification(attempts: int = 1, **fields: object) -> Notification:
    base = Notification(
        uid=notification_uid(EVENT_UID, str(fields.pop("n", 0))),
        event=EVENT_UID,
        channel=CHANNEL.uid,
        due_at=NOW,
        created_at=NOW,
        expires_at=NOW + timedelta(hours=76),
        state=NotificationState.SENDING,
        lease_token=3,
        attempts=attempts,
    )
    return replace(base, **fields)  # type: ignore[arg-type]


def sent(outcome: Outcome, *rows: Notification, state: ChannelState | None = None, **attempt: object) -> Sent:
    event = Event(EVENT_UID, "machine.offline", Severity.ALERT, NOW, "silent", {})
    deliveries = tuple(Delivery(row, event) for row in rows or (notification(),))
    made = replace(Attempt(1, CHANNEL.uid, deliveries, NOW - timedelta(seconds=1)), **attempt)  # type: ignore[arg-type]
    return Sent(made, outcome, CHANNEL, state or ChannelState(), (OTHER,), NOW)


def test_a_delivery_ends_the_row_and_the_trouble() -> None:
    failing = ChannelState(NOW, NOW - timedelta(hours=1), 4)
    after = follow(sent(Delivered("m-9"), state=failing), CHAT, 0.5)
    (row,) = after.notifications
    assert (row.state, row.receipt, row.finished_at, row.lease_token) == (NotificationState.DELIVERED, "m-9", NOW, None)
    assert after.state == ChannelState(succeeded_at=NOW)
    assert after.release
    assert not follow(sent(Delivered()), CHAT, 0.5).release


def test_the_webhook_waits_are_those_of_standard_webhooks_and_then_it_is_dead() -> None:
    waits = []
    for attempts in range(1, 10):
        (row,) = follow(sent(Retry("503"), notification(attempts)), WEBHOOK, 0.0).notifications
        waits.append((row.due_at - NOW).total_seconds())
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert sum(waits) / 3600 == pytest.approx(75.6, abs=0.1)
    (row,) = follow(sent(Retry("503"), notification(10)), WEBHOOK, 0.0).notifications
    assert row.state is NotificationState.DEAD
    assert row.reason == "given up after 10 tries: 503"


def test_the_chat_goes_on_every_ten_minutes() -> None:
    def wait(attempts: int) -> float:
        (row,) = follow(sent(Retry("x"), notification(attempts)), CHAT, 0.0).notifications
        return (row.due_at - NOW).total_seconds()

    assert [wait(n) for n in range(1, 7)] == [2, 5, 10, 30, 60, 120]
    assert [wait(n) for n in (35, 36, 400)] == [120, 600, 600]


@given(st.integers(1, 9), st.floats(0, 1), st.integers(0, 76 * 3600))
def test_the_jitter_is_a_tenth_at_most_and_never_past_the_expiry(attempts: int, jitter: float, left: int) -> None:
    row = notification(attempts, expires_at=NOW + timedelta(seconds=left))
    (after,) = follow(sent(Retry("x"), row), WEBHOOK, jitter).notifications
    wait = WEBHOOK.waits[attempts - 1]
    assert after.due_at <= row.expires_at
    assert after.due_at - NOW <= timedelta(seconds=wait * 1.1 + 0.001)
    assert after.due_at - NOW >= timedelta(seconds=min(wait, left))


def test_the_cool_down_doubles_from_five_seconds_to_five_minutes() -> None:
    state, downs = ChannelState(), []
    for _ in range(9):
        probe = {"started_at": state.ready_at or NOW}
        state = follow(sent(Retry("x"), state=state, **probe), WEBHOOK, 0.0).state
        assert state.ready_at is not None
        downs.append((state.ready_at - NOW).total_seconds())
    assert downs == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert state.failing_since == NOW


def test_sends_that_were_in_flight_together_fail_as_one() -> None:
    state = follow(sent(Retry("x")), WEBHOOK, 0.0).state
    for _ in range(30):
        state = follow(sent(Retry("x"), state=state), WEBHOOK, 0.0).state
    assert (state.failures, state.ready_at) == (1, NOW + timedelta(seconds=5))


def test_no_cool_down_where_something_succeeded_since_the_attempt_began() -> None:
    fine = ChannelState(succeeded_at=NOW)
    assert follow(sent(Retry("x"), state=fine), WEBHOOK, 0.0).state == fine
    earlier = ChannelState(succeeded_at=NOW - timedelta(seconds=2))
    assert follow(sent(Retry("x"), state=earlier), WEBHOOK, 0.0).state.failures == 1


def test_the_far_ends_own_word_is_kept_up_to_an_hour() -> None:
    def ready_in(after: timedelta) -> timedelta:
        state = follow(sent(Retry("429", after=after)), WEBHOOK, 0.0).state
        assert state.ready_at is not None
        return state.ready_at - NOW

    assert ready_in(timedelta(seconds=90)) == timedelta(seconds=90)
    assert ready_in(timedelta(seconds=1)) == timedelta(seconds=5)
    assert ready_in(timedelta(days=2)) == timedelta(hours=1)


def test_a_probe_ahead_of_its_own_wait_keeps_it() -> None:
    row = notification(3, due_at=NOW + timedelta(hours=2))
    (after,) = follow(sent(Retry("x"), row, probe=True), WEBHOOK, 0.0).notifications
    assert (after.due_at, after.attempts) == (row.due_at, 3)


def test_lane_trouble_holds_the_whole_lane() -> None:
    assert follow(sent(Retry("401", Scope.LANE)), CHAT, 0.0).lane_wide
    assert not follow(sent(Retry("401")), CHAT, 0.0).lane_wide


def test_a_message_that_is_refused_gets_three_tries_and_harms_no_other() -> None:
    row = notification(attempts=7)
    for refusals in (1, 2):
        after = follow(sent(Rejected("400"), row), WEBHOOK, 0.0)
        assert after.state == ChannelState()
        (row,) = after.notifications
        assert (row.state, row.rejections) == (NotificationState.PENDING, refusals)
    (row,) = follow(sent(Rejected("400"), row), WEBHOOK, 0.0).notifications
    assert (row.state, row.reason) == (NotificationState.DEAD, "refused 3 times: 400")


def test_a_batch_that_is_refused_is_tried_one_by_one() -> None:
    after = follow(sent(Rejected("400"), notification(n=1), notification(n=2)), CHAT, 0.0)
    assert [(r.solo, r.due_at, r.rejections) for r in after.notifications] == [(True, NOW, 0)] * 2


def test_what_was_not_taken_of_a_batch_goes_again() -> None:
    first, second = notification(n=1), notification(n=2)
    after = follow(sent(Delivered(taken=frozenset({first.uid})), first, second), CHAT, 0.0)
    assert [r.state for r in after.notifications] == [NotificationState.DELIVERED, NotificationState.PENDING]


def test_a_destination_that_is_gone_disables_the_channel_and_tells_the_others() -> None:
    after = follow(sent(Rejected("410 Gone", Scope.CHANNEL)), WEBHOOK, 0.0)
    assert after.disable == "410 Gone"
    assert [r.state for r in after.notifications] == [NotificationState.DEAD]
    (event,) = after.events
    assert (event.type, event.severity, event.channel) == ("channel.failing", Severity.ALERT, CHANNEL.uid)
    assert [(n.channel, n.event, n.state) for n in after.more] == [(OTHER.uid, event.uid, NotificationState.PENDING)]
    assert follow(sent(Rejected("410 Gone", Scope.CHANNEL)), WEBHOOK, 0.0).events[0].uid == event.uid


@pytest.mark.parametrize("unsaid", [True, False])
@pytest.mark.parametrize("after", [None, 0, 40, 7200])
def test_a_failing_channel_that_asks_for_patience_is_not_asked_again_at_once(unsaid: bool, after: int | None) -> None:
    """Its probe is ahead of its time and counts no try: without a rest nothing ends the asking."""
    wait = None if after is None else timedelta(seconds=after)
    asked = Retry("its limit", Scope.NOTIFICATION, wait, unsaid=unsaid)
    failing = ChannelState(NOW - timedelta(seconds=9), NOW - timedelta(minutes=1), 2)
    found = follow(sent(asked, state=failing, probe=True), CHAT, 0.0)
    assert found.state.ready_at is not None
    assert timedelta(seconds=5) <= found.state.ready_at - NOW <= timedelta(minutes=5)
    assert replace(found.state, ready_at=None) == replace(failing, ready_at=None)
    well = ChannelState(succeeded_at=NOW - timedelta(minutes=1))
    assert follow(sent(asked, state=well), CHAT, 0.0).state == well
