"""How often: the arithmetic by hand, the answers over HTTP."""

from __future__ import annotations

import ipaddress
import random
from pathlib import Path
from typing import Any

import pytest

from lastseen.errors import InvalidInput
from lastseen.ingest.address import client_address
from lastseen.ingest.limits import Limiter, Rate, parse_rate
from tests.server.conftest import HEARTBEAT, Served, a_server


class Hands:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("text", "rate"),
    [("120/minute", Rate(120, 60)), ("5/second", Rate(5, 1)), (" 10 / 30s ", Rate(10, 30)), ("1/h", Rate(1, 3600)),
     ("1000 per day", Rate(1000, 86400)), ("7/2 minutes", None), ("60/MINUTES", Rate(60, 60)), ("off", None)],
)  # fmt: skip
def test_a_rate_is_written_as_people_do(text: str, rate: Rate | None) -> None:
    if rate is None and text != "off":
        with pytest.raises(InvalidInput):
            parse_rate(text)
    else:
        assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "120", "0/minute", "-1/minute", "x/minute", "120/", "120/eon", "1/0s", "1.5/s", "on"]
)
def test_nonsense_is_no_rate(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_rate(text)


def test_a_burst_is_let_in_then_one_at_a_time() -> None:
    hands = Hands()
    limiter: Limiter[str] = Limiter(Rate(3, 6), hands)
    assert [limiter.take("a") for _ in range(3)] == [0, 0, 0]
    assert limiter.take("a") == pytest.approx(2)
    assert limiter.take("a") == pytest.approx(2), "asking costs nothing"
    assert limiter.take("b") == 0, "others have buckets of their own"
    hands.seconds += 2
    assert limiter.take("a") == 0
    assert limiter.take("a") == pytest.approx(2)
    hands.seconds += 100
    assert [limiter.take("a") for _ in range(3)] == [0, 0, 0]
    assert limiter.take("a") > 0


def test_over_any_time_it_lets_in_what_the_rate_says_and_one_burst() -> None:
    dice, hands = random.Random(11), Hands()
    limiter: Limiter[int] = Limiter(Rate(10, 5), hands)
    let_in = 0
    for _ in range(20_000):
        hands.seconds += dice.expovariate(20)
        let_in += limiter.take(1) == 0
    seconds = hands.seconds - 1000
    assert seconds * 2 - 1 <= let_in <= seconds * 2 + 10


def test_off_is_off_and_memory_is_bounded() -> None:
    hands = Hands()
    off: Limiter[int] = Limiter(None, hands)
    assert not any(off.take(1) for _ in range(1000))
    limiter: Limiter[int] = Limiter(Rate(1, 60), hands, capacity=100)
    for who in range(10_000):
        limiter.take(who)
    assert len(limiter) <= 100
    assert limiter.take(9_999) > 0, "the newest are still known"


NETWORKS = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "fd00::/8", "127.0.0.0/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["1.2.3.4"], "203.0.113.9"),
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4, 10.9.9.9"], "1.2.3.4"),
        ("10.0.0.1", ["10.0.0.7, 10.0.0.8"], "10.0.0.7"),
        ("10.0.0.1", ["1.2.3.4:5678"], "1.2.3.4"),
        ("10.0.0.1", ["[2001:db8:1:2:3::4]:80"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
        ("10.0.0.1", ["6.6.6.6, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["::ffff:1.2.3.4"], "1.2.3.4"),
        ("fd00::1", ["fd00::2, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["1.2.3.4%" + "x" * 200], "10.0.0.1"),
        ("", ["1.2.3.4"], ""),
    ],
)
def test_the_rightmost_address_that_is_no_proxy_counts(peer: str, forwarded: list[str], found: str) -> None:
    scope: dict[str, Any] = {
        "client": (peer, 1234) if peer else None,
        "headers": [(b"x-forwarded-for", line.encode()) for line in forwarded],
    }
    assert client_address(scope, NETWORKS) == found
    if peer.startswith("10."):
        assert client_address(scope, []) == peer


async def test_a_key_that_is_used_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with a_server(tmp_path, rate_limit="3/hour") as served:
        key, other = await served.machine("a"), await served.machine("b")
        assert [(await served.beat(key)).status_code for _ in range(4)] == [204, 204, 204, 429]
        answer = await served.beat(key)
        assert answer.headers["content-type"] == "application/problem+json"
        assert 0 < int(answer.headers["retry-after"]) <= 1200
        assert (await served.beat(other)).status_code == 204
        fleet = await served.key("fleet")
        sent = [
            (await served.http.post("/api/v1/heartbeats", content=b"[]", headers={"X-API-Key": fleet}))
            for _ in range(4)
        ]
        assert [answer.status_code for answer in sent] == [200, 200, 200, 429]


async def test_revoking_some_key_does_not_begin_everybodys_count_anew(tmp_path: Path) -> None:
    async with a_server(tmp_path, rate_limit="2/hour") as served:
        key = await served.machine("a")
        assert [(await served.beat(key)).status_code for _ in range(3)] == [204, 204, 429]
        served.app.keys.forget()
        assert (await served.beat(key)).status_code == 429


async def test_every_slug_of_a_ping_key_has_a_count_of_its_own(tmp_path: Path) -> None:
    async with a_server(tmp_path, rate_limit="2/hour") as served:
        await served.machine("a")
        await served.machine("b")
        key = await served.key("ping")
        said = [(await served.http.get(f"/ping/{key}/{slug}")).status_code for slug in ("a", "a", "a", "b")]
        assert said == [200, 200, 429, 200]


async def test_wrong_keys_are_counted_by_address_and_right_ones_are_not_refused_for_it(tmp_path: Path) -> None:
    async with a_server(tmp_path, rate_limit="3/hour") as served:
        key = await served.machine("a")
        assert [(await served.beat("lsm_wrong")).status_code for _ in range(2)] == [401, 401]
        assert (await served.get("/api/v1/machines/a/status", "lsm_wrong")).status_code == 401
        for path in (HEARTBEAT, "/api/v1/heartbeats", "/agent/metrics"):
            answer = await served.http.post(path, headers={"X-API-Key": "lsm_other"})
            assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
        for path in ("/ping/nobody/x", "/ping/nonsense", "/api/push/x", "/api/v1/machines/a/status"):
            assert (await served.http.get(path)).status_code == 429
        assert (await served.beat(key)).status_code == 204
        assert (await served.get("/api/v1/machines/a/status", key)).status_code == 200


async def test_behind_a_trusted_proxy_its_clients_are_counted(tmp_path: Path) -> None:
    async with a_server(tmp_path, rate_limit="1/hour", trusted_proxies="127.0.0.0/8, ::1/128") as served:

        async def wrong(forwarded: str) -> int:
            headers = {"X-API-Key": "lsm_wrong", "X-Forwarded-For": forwarded}
            return (await served.http.post(HEARTBEAT, headers=headers)).status_code

        assert [await wrong("1.1.1.1"), await wrong("1.1.1.1"), await wrong("6.6.6.6, 1.1.1.1")] == [401, 429, 429]
        assert await wrong("1.1.1.1, 2.2.2.2") == 401


async def test_without_a_trusted_proxy_that_header_means_nothing(tmp_path: Path) -> None:
    async with a_server(tmp_path, rate_limit="1/hour") as served:
        headers = [{"X-API-Key": "lsm_wrong", "X-Forwarded-For": f"1.1.1.{n}"} for n in range(3)]
        said = [(await served.http.post(HEARTBEAT, headers=one)).status_code for one in headers]
        assert said == [401, 429, 429]


async def test_off_means_that_nobody_is_counted(tmp_path: Path) -> None:
    async with a_server(tmp_path, rate_limit="off") as served:
        assert {(await served.beat("lsm_wrong")).status_code for _ in range(200)} == {401}


async def test_by_default_two_a_second_are_let_in_and_a_burst_of_a_minute(served: Served) -> None:
    key = await served.machine("a")
    said = [(await served.beat(key)).status_code for _ in range(125)]
    assert said[:120] == [204] * 120
    assert 429 in said[120:]
