"""A real server, real traffic, and a page of numbers that are exactly what happened."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from lastseen.ingest.auth import new_key
from lastseen.monitor.heartbeat import HeartbeatMonitor
from lastseen.protocols import Keys
from tests.metrics.scrape import OPENMETRICS, Page, complaints
from tests.scenarios.harness import Server, fleet, server
from tests.secrecy import secret
from tests.standins.webhook import WebhookReceiver
from tests.support import eventually


async def page_of(serve: Server, accept: str = "text/plain") -> Page:
    answer = await serve.client.get(f"{serve.url}/metrics", headers={"accept": accept})
    assert answer.status_code == 200
    return Page(answer.text, answer.headers["content-type"])


async def post(serve: Server, key: str | None, body: bytes = b"") -> int:
    headers = {"X-API-Key": key} if key else {}
    answer = await serve.client.post(f"{serve.url}/api/v1/heartbeat", content=body, headers=headers)
    return answer.status_code


async def test_every_number_is_what_happened(tmp_path: Path) -> None:
    keys = list((await fleet(tmp_path, 3)).values())
    settings = {"LASTSEEN_GOODBYE_GRACE": "0", "MACHINE_OFFLINE_THRESHOLD": "2m"}
    async with WebhookReceiver(fail_first=1) as receiver, server(tmp_path, **settings) as serve:
        made = await serve.cli("channels", "add", "webhook", "--name", "pager", "--url", receiver.url)
        receiver.secret(secret(made["secret"]))
        api = await an_api_key_and_a_disabled_machine(tmp_path, "m2")
        await serve.start()

        stored = [await post(serve, keys[0]) for _ in range(10)] + [await post(serve, keys[1], b'{"a":1}')] * 1
        assert set(stored) == {204}
        assert [await post(serve, keys[0], body) for body in (b"{", b'{"status":"fine"}', b"x" * 70_000)] == [
            400, 422, 413,
        ]  # fmt: skip
        refused = [await post(serve, key) for key in (None, None, "lsm_" + "x" * 43, api, keys[2])]
        assert refused == [401, 401, 401, 403, 403]
        assert await post(serve, keys[0], b'{"status":"offline"}') == 204  # offline at once: its grace is 0
        await eventually(lambda: len(receiver.messages) == 1)

        async def settled() -> Page:
            page = await page_of(serve)
            assert page["lastseen_deliveries_total", "notifier=webhook", "result=delivered"] == 1
            assert page["lastseen_outbox_notifications", "state=sending"] == 0
            assert page["lastseen_machines", "status=offline"] == 1
            return page

        page = await eventually(settled)
        assert page.all("lastseen_heartbeats_total") == {
            ("stored", "http"): 12,
            ("malformed", "http"): 3,
            ("refused", "http"): 5,
        }
        assert page.all("lastseen_key_refusals_total") == {
            ("missing",): 2, ("wrong",): 1, ("scope",): 1, ("disabled",): 1,
        }  # fmt: skip
        assert page["lastseen_batch_heartbeats_sum"] == 12
        assert page["lastseen_batch_heartbeats_count"] == page["lastseen_commit_seconds_count"] == 12
        assert 0 < page["lastseen_commit_seconds_sum"] < 12
        assert page.all("lastseen_events_total") == {("machine.online",): 2, ("machine.offline",): 1}
        assert page["lastseen_detection_delay_seconds_count", "reason=goodbye"] == 1
        assert page["lastseen_detection_delay_seconds_sum", "reason=goodbye"] < 5
        assert page["lastseen_sweep_seconds_count"] >= 1
        assert page.all("lastseen_delivery_attempts_total") == {("webhook", "retry"): 1, ("webhook", "delivered"): 1}
        assert page["lastseen_delivery_seconds_count", "notifier=webhook"] == 2
        assert page.all("lastseen_deliveries_total") == {("webhook", "delivered"): 1}
        assert page["lastseen_delivery_delay_seconds_count", "notifier=webhook"] == 1
        assert 4 < page["lastseen_delivery_delay_seconds_sum", "notifier=webhook"] < 30, "the cool-down is 5 s"
        assert page.all("lastseen_machines") == {("online",): 1, ("offline",): 1, ("paused",): 1}
        assert page.all("lastseen_channels") == {("ok",): 1}
        assert page.all("lastseen_outbox_notifications") == {}
        assert page["lastseen_outbox_oldest_seconds"] == page["lastseen_outbox_overdue_seconds"] == 0
        assert page.all("lastseen_store_errors_total") == page.all("lastseen_wakes_missed_total") == {}
        assert page["lastseen_source_blind", "source=http"] == 0
        assert page["lastseen_database_bytes", "file=database"] == (tmp_path / "lastseen.db").stat().st_size
        assert page["lastseen_monitor_running"] == page["lastseen_store_up"] == 1
        assert list(complaints(page)) == []

        other = await page_of(serve, OPENMETRICS)
        assert other.text.endswith("# EOF\n")
        assert other.all("lastseen_heartbeats_total") == page.all("lastseen_heartbeats_total")
        assert list(complaints(other)) == []


async def test_a_failing_channel_and_the_time_nobody_listened_are_on_the_page(tmp_path: Path) -> None:
    (key,) = (await fleet(tmp_path, 1)).values()
    async with WebhookReceiver(fail_first=1000) as receiver, server(tmp_path, LASTSEEN_GOODBYE_GRACE="0") as serve:
        made = await serve.cli("channels", "add", "webhook", "--name", "pager", "--url", receiver.url)
        receiver.secret(secret(made["secret"]))
        await serve.start()
        assert [await post(serve, key, body) for body in (b"", b'{"status":"offline"}')] == [204, 204]
        await eventually(lambda: receiver.deliveries)

        async def waiting() -> Page:
            page = await page_of(serve)
            assert page.all("lastseen_channels") == {("failing",): 1}
            assert page["lastseen_outbox_notifications", "state=pending"] == 1
            return page

        page = await eventually(waiting)
        assert page.all("lastseen_delivery_attempts_total") == {("webhook", "retry"): 1}
        assert page.all("lastseen_deliveries_total") == {}
        assert 0 < page["lastseen_outbox_oldest_seconds"] < 20
        serve.kill()
        an_hour_ago(tmp_path)
        await serve.start()
        blind = (await page_of(serve))["lastseen_blind_seconds_total", "reason=stopped", "source=http"]
        assert 3600 < blind < 3700


async def test_rows_pings_and_what_they_lack_are_counted_one_by_one(tmp_path: Path) -> None:
    await fleet(tmp_path, 2)
    async with server(tmp_path) as serve:
        key = secret((await serve.cli("keys", "add", "fleet"))["key"])
        await serve.start()
        rows = [{"machine": "m0"}, {"machine": "m1"}, {"machine": "m0", "status": "fine"}, {"machine": "nobody"}, 5]
        headers = {"Authorization": f"Bearer {key}"}
        answer = await serve.client.post(f"{serve.url}/api/v1/heartbeats", json=rows, headers=headers)
        assert answer.json()["accepted"] == 2
        assert (await serve.client.get(f"{serve.url}/ping/no-such-key/db-01")).status_code == 404
        counted = (await page_of(serve)).all("lastseen_heartbeats_total")
        assert {outcome: count for (outcome, _), count in counted.items() if outcome != "refused"} == {
            "stored": 2,
            "malformed": 2,
            "unknown": 1,
        }
        assert counted["refused", "http"] == 1


async def an_api_key_and_a_disabled_machine(folder: Path, slug: str) -> str:
    async with HeartbeatMonitor(f"sqlite:///{folder / 'lastseen.db'}").opened() as monitor:
        assert isinstance(monitor.store, Keys)
        key = new_key("api")
        await monitor.store.add_key("api", key.digest, key.hint, monitor.clock.now())
        await monitor.disable(slug)
    return secret(key.text)


def an_hour_ago(folder: Path) -> None:
    """As if the server had last heard somebody an hour earlier than it did."""
    with closing(sqlite3.connect(folder / "lastseen.db")) as connection, connection:
        for column in ("heard_until", "alive_at", "listening_since"):
            (before,) = connection.execute(f"SELECT {column} FROM source_listeners").fetchone()
            moment = datetime.fromisoformat(before) - timedelta(hours=1)
            connection.execute(f"UPDATE source_listeners SET {column} = ?", (moment.isoformat(" ", "microseconds"),))
