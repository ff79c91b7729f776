"""The hot path by hand, without a server: every answer it gives."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from lastseen.errors import Busy, ConfigurationError, StoreUnavailable, UnknownMachine
from lastseen.ingest.asgi import DRAINED
from lastseen.ingest.auth import KeyCache
from lastseen.ingest.gate import Gate
from lastseen.ingest.http import HeartbeatRoute
from lastseen.model import Said
from lastseen.report import MAX_BYTES
from tests.server.fakes import FakeKeys, FakeMonitor, HandClock, ask

KEY = "lsm_the-key"


class Bench:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.keys = FakeKeys()
        self.keys.put(KEY, machine=7)
        self.monitor = FakeMonitor(self.clock)
        self.route = HeartbeatRoute(self.monitor, Gate(KeyCache(self.keys, self.clock), self.clock))  # type: ignore[arg-type]

    async def ask(self, *parts: bytes, **how: Any) -> tuple[int, dict[str, str], Any]:
        status, headers, body, _ = await ask(self.route, *parts, **{"key": KEY, **how})
        if status >= 400 and how.get("method") != "HEAD":
            assert headers["content-type"] == "application/problem+json"
            assert headers["content-length"] == str(len(body))
            problem = json.loads(body)
            assert problem["status"] == status
            assert problem["title"]
            assert problem["detail"]
            return status, headers, problem
        assert body == b""
        return status, headers, None


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_an_empty_heartbeat_is_recorded(bench: Bench) -> None:
    assert (await bench.ask())[0] == 204
    [beat] = bench.monitor.beats
    assert (beat.machine, beat.said, beat.body, beat.at) == (7, Said.ALIVE, None, bench.clock.now())


async def test_a_heartbeat_with_a_body_is_recorded(bench: Bench) -> None:
    assert (await bench.ask(b'{"status":', b'"error","x":1}'))[0] == 204
    [beat] = bench.monitor.beats
    assert (beat.said, beat.body) == (Said.ERROR, '{"status":"error","x":1}')


async def test_a_chunked_body_is_read_too(bench: Bench) -> None:
    assert (await bench.ask(b"{", b"}", headers={"transfer-encoding": "chunked"}))[0] == 204
    assert bench.monitor.beats[0].body == "{}"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"bearer {KEY}"},
        {"authorization": f"BEARER   {KEY} "},
        {"x-api-key": KEY},
        {"x-api-key": KEY, "authorization": "Basic dXNlcjpwYXNz"},
    ],
)
async def test_the_key_may_come_in_either_header(bench: Bench, headers: dict[str, str]) -> None:
    assert (await bench.ask(key=None, headers=headers))[0] == 204


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer "}, {"authorization": "Bearer"}, {"authorization": "Basic x"}]
)
async def test_without_a_key_it_says_how_to_send_one(bench: Bench, headers: dict[str, str]) -> None:
    status, found, problem = await bench.ask(key=None, headers=headers)
    assert (status, found["www-authenticate"]) == (401, "Bearer")
    assert "X-API-Key" in problem["detail"]


@pytest.mark.parametrize("key", ["lsm_wrong", "nonsense", "lsm_\xff"])
async def test_a_wrong_key_is_refused(bench: Bench, key: str) -> None:
    status, found, _ = await bench.ask(key=key)
    assert (status, found["www-authenticate"]) == (401, "Bearer")
    assert bench.monitor.beats == []


@pytest.mark.parametrize(("scope", "word"), [("api", "lsa_"), ("fleet", "lsf_")])
async def test_a_key_of_another_scope_is_refused_in_clear_words(bench: Bench, scope: str, word: str) -> None:
    status, _, problem = await bench.ask(key=bench.keys.put(f"{word}key", scope=scope, machine=None))
    assert status == 403
    assert word in problem["detail"]


async def test_a_disabled_machine_is_refused(bench: Bench) -> None:
    status, _, problem = await bench.ask(key=bench.keys.put("lsm_disabled", enabled=False))
    assert status == 403
    assert "disabled" in problem["detail"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"status=ok"])
async def test_a_malformed_body_is_400(bench: Bench, body: bytes) -> None:
    assert (await bench.ask(body))[0] == 400
    assert bench.monitor.beats == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"status":"fine"}', "status"),
        (b'{"metrics":{"a":"b"}}', "metrics"),
        (b'{"message":"\\u0000"}', "message"),
        (b'{"x":"\\ud800"}', "x"),
    ],
)
async def test_a_wrong_value_is_422_and_names_its_field(bench: Bench, body: bytes, field: str) -> None:
    status, _, problem = await bench.ask(body)
    assert status == 422
    assert [e["field"] for e in problem["errors"]] == [field]
    assert problem["errors"][0]["detail"]
    assert bench.monitor.beats == []


async def test_a_body_that_is_declared_too_long_is_not_read(bench: Bench) -> None:
    for size, hung_up in ((MAX_BYTES + 1, False), (MAX_BYTES + DRAINED + 1, True)):
        status, headers, _, read = await ask(
            bench.route, b"{}", key=KEY, headers={"content-length": str(size)}, disconnect=True
        )
        assert (status, read, "connection" in headers) == (413, 0, hung_up)


async def test_a_chunked_body_that_is_too_long_is_413(bench: Bench) -> None:
    chunked = {"transfer-encoding": "chunked"}
    status, headers, _ = await bench.ask(*[b"x" * 1024] * 65, headers=chunked)
    assert (status, "connection" in headers) == (413, False)
    status, headers, _ = await bench.ask(*[b"x" * 65536] * 100, headers=chunked)
    assert (status, headers["connection"]) == (413, "close")


async def test_the_longest_body_is_taken(bench: Bench) -> None:
    body = b'{"message":"' + b"x" * (MAX_BYTES - 14) + b'"}'
    assert (await bench.ask(body))[0] == 204


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "BREW"])
async def test_other_methods_are_405_and_told_what_is_allowed(bench: Bench, method: str) -> None:
    status, headers, _ = await bench.ask(method=method)
    assert (status, headers["allow"]) == (405, "OPTIONS, POST")


async def test_head_has_no_body_and_options_says_what_is_allowed(bench: Bench) -> None:
    assert (await bench.ask(method="HEAD"))[0] == 405
    status, headers, _ = await bench.ask(method="OPTIONS")
    assert (status, headers["allow"]) == (204, "OPTIONS, POST")


@pytest.mark.parametrize(
    ("error", "status"),
    [(Busy("full"), 503), (StoreUnavailable("/secret/path"), 503), (UnknownMachine(7), 404)],
)
async def test_what_the_store_says_is_passed_on(bench: Bench, error: Exception, status: int) -> None:
    bench.monitor.failing = error
    answered, headers, problem = await bench.ask()
    assert answered == status
    assert ("retry-after" in headers) == (status == 503)
    assert "/secret" not in problem["detail"]


@pytest.mark.parametrize("error", [RuntimeError("lsm_secret"), ConfigurationError("odd")])
async def test_what_was_not_expected_is_logged_and_answered_without_its_text(bench: Bench, error: Exception) -> None:
    bench.monitor.failing = error
    with capture_logs() as logs:
        status, _, problem = await bench.ask()
    assert status == 500
    assert str(error) not in json.dumps(problem)
    assert [line["event"] for line in logs] == ["request_failed"]


async def test_a_store_that_cannot_look_up_keys_is_503(bench: Bench) -> None:
    bench.keys.failing = StoreUnavailable("gone")
    assert (await bench.ask())[0] == 503


async def test_a_client_that_goes_away_is_not_answered_and_changes_nothing(bench: Bench) -> None:
    status, *_ = await ask(bench.route, b'{"a":', key=KEY, headers={"content-length": "100"}, disconnect=True)
    assert status == 0
    assert bench.monitor.beats == []


async def test_a_clock_that_is_off_is_told_once_in_a_while(bench: Bench) -> None:
    wrong = (bench.clock.now() - timedelta(minutes=5)).isoformat()
    right = (bench.clock.now() - timedelta(seconds=30)).isoformat()
    with capture_logs() as logs:
        for moment in (right, wrong, wrong):
            assert (await bench.ask(json.dumps({"timestamp": moment}).encode()))[0] == 204
        bench.clock.seconds += 3600
        assert (await bench.ask(json.dumps({"timestamp": wrong}).encode()))[0] == 204
    assert [line["event"] for line in logs] == ["machine_clock_skewed"] * 2
    assert logs[0]["seconds"] == -300
