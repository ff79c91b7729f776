"""What the store says of itself, against rows that were put there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.doctor.conftest import NOW, Ward, ago, ward
from tests.doctor.damage import BLIND, BROKER, FAILED, notification, unheard

__all__ = ["ward"]


async def test_a_store_in_order_says_so(ward: Ward) -> None:
    gauges = await ward.store.gauges(NOW)
    assert dict(gauges.machines) == {"online": 1}
    assert dict(gauges.outbox) == {"pending": 0, "sending": 0}
    assert dict(gauges.channels) == {"ok": 1}
    assert dict(gauges.blind) == {"http": False}
    assert (gauges.dead, gauges.oldest, gauges.due) == (0, None, None)
    assert ward.site.database is not None
    assert gauges.sizes["database"] == ward.site.database.stat().st_size
    assert gauges.sizes["wal"] > 0


async def test_it_counts_what_waits_what_was_given_up_and_who_is_not_online(ward: Ward) -> None:
    ward.sql(*notification("pending", ago(hours=2)), *unheard("nas", hours=1), *unheard("nas-2", hours=1))
    ward.sql("UPDATE notifications SET uid = uid || id, occasion = 7")
    ward.sql(
        "INSERT INTO notifications (uid, event_id, channel_id, machine_id, occasion, state, reason, "
        "due_at, created_at, expires_at, finished_at) "
        f"SELECT 'd', event_id, 1, 1, 8, 'dead', 'x', due_at, due_at, due_at, '{ago(hours=1)}' FROM notifications"
    )
    gauges = await ward.store.gauges(NOW)
    assert dict(gauges.outbox) == {"pending": 1, "sending": 0}
    assert gauges.oldest == gauges.due == NOW - timedelta(hours=2)
    assert gauges.dead == 1
    assert (await ward.store.gauges(NOW + timedelta(days=1))).dead == 0
    assert dict(gauges.machines) == {"online": 1, "provisioning": 2}


@pytest.mark.parametrize("removed", [False, True])
async def test_a_source_is_blind_while_its_period_is_open(ward: Ward, removed: bool) -> None:
    ward.sql(BROKER, BLIND.format(source=1, start=ago(hours=1), end="NULL", why="link"))
    ward.sql(BLIND.format(source=0, start=ago(hours=1), end=f"'{ago(minutes=1)}'", why="store"))
    if removed:
        ward.sql("UPDATE sources SET kind = 'removed' WHERE id = 1")
    gauges = await ward.store.gauges(NOW)
    assert dict(gauges.blind) == ({"http": False} if removed else {"http": False, "broker": True})


async def test_channels_are_counted_by_how_they_fare(ward: Ward) -> None:
    for name in ("a", "b", "c"):
        await ward.store.add_channel("console", name, {}, {}, name, NOW)
    ward.sql(*FAILED, "UPDATE channel_state SET failing_since = NULL WHERE channel_id > 1")
    ward.sql("UPDATE channels SET enabled = 0, disabled_by = 'person' WHERE name = 'a'")
    ward.sql(f"UPDATE channels SET deleted_at = '{ago()}' WHERE name = 'b'")
    assert dict((await ward.store.gauges(NOW)).channels) == {"ok": 1, "failing": 1, "disabled": 1}
