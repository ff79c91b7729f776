"""Clients that mean no good, or do not know better: over a plain socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from lastseen.web import slow
from lastseen.web.bounded import LONGEST_HEAD
from tests.server.conftest import HEARTBEAT, Served, a_server
from tests.server.line import head, line


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 100, b"\xff\xfe\r\n\r\n", b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
        b"POST " + HEARTBEAT.encode() + b" HTTP/9.9\r\n\r\n", b"POST \xc3\xa4 HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", b"POST / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", b"SSH-2.0-OpenSSH\r\n",
        b"POST /ping/%ED%A0%80 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)  # fmt: skip
async def test_garbage_is_refused_or_hung_up_on_and_others_are_served(served: Served, garbage: bytes) -> None:
    key = await served.machine("a")
    async with line(served) as hostile:
        await hostile.say(garbage)
        if garbage == b"SSH-2.0-OpenSSH\r\n":
            hostile.writer.write_eof()
        status, _, _ = await hostile.answer()
        assert status in (0, 400, 401, 404)
    assert (await served.beat(key)).status_code == 204


async def test_headers_without_end_are_not_gathered(served: Served) -> None:
    async with line(served) as hostile:
        await hostile.say(b"GET / HTTP/1.1\r\n")
        for number in range(LONGEST_HEAD // 500):
            await hostile.say(b"X-%d: %s\r\n" % (number, b"y" * 1000))
            await asyncio.sleep(0)
        status, headers, _ = await hostile.answer()
        assert (status, headers.get("connection")) in ((431, "close"), (0, None))
        assert await hostile.rest() == b""


async def test_a_long_line_that_never_ends_is_not_gathered(served: Served) -> None:
    async with line(served) as hostile:
        for _ in range(3 * LONGEST_HEAD // 4096):
            await hostile.say(b"a" * 4096)
            await asyncio.sleep(0)
        assert (await hostile.answer())[0] in (0, 400, 431)


async def test_headers_of_a_reasonable_size_may_come_byte_by_byte(served: Served) -> None:
    key = await served.machine("a")
    async with line(served) as careful:
        for byte in head(key, "Content-Length: 2", "X-Much: " + "y" * 300) + b"{}":
            await careful.say(bytes([byte]))
        assert (await careful.answer())[0] == 204


@pytest.fixture
async def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """A server whose patience is short."""
    monkeypatch.setattr(slow, "HEADERS", 0.3)
    monkeypatch.setattr(slow, "BODY", 0.6)
    async with a_server(tmp_path) as server:
        yield server


@pytest.mark.parametrize(
    "beginning",
    [b"", b"POST ", b"POST / HTTP/1.1\r\nHost: x\r\n", b"\r\n"],
    ids=["nothing", "a word", "some headers", "an empty line"],
)
async def test_a_client_that_does_not_finish_its_headers_is_cut(strict: Served, beginning: bytes) -> None:
    with capture_logs() as logs:
        async with line(strict) as slowly:
            await slowly.say(beginning)
            assert await slowly.answer() == (0, {}, b"")
    assert [entry["waited_for"] for entry in logs if entry["event"] == "slow_client_cut"] == ["headers"]


async def test_a_client_that_sends_a_byte_now_and_then_is_cut_all_the_same(strict: Served) -> None:
    async with line(strict) as slowly:
        await slowly.say(b"POST / HTTP/1.1\r\nX-A: ")
        await slowly.is_cut_while_it_says(b"a")


async def test_the_second_request_of_a_connection_has_as_long_as_the_first(strict: Served) -> None:
    key = await strict.machine("a")
    async with line(strict) as slowly:
        await slowly.say(head(key, "Content-Length: 0"))
        assert (await slowly.answer())[0] == 204
        await slowly.say(b"POST ")
        assert await slowly.answer() == (0, {}, b"")


@pytest.mark.parametrize("path", [HEARTBEAT, "/api/v1/heartbeats", "/ping/{uuid}", "/agent/metrics"])
async def test_a_client_that_does_not_finish_its_body_is_cut_and_nothing_is_kept(strict: Served, path: str) -> None:
    from lastseen.ingest.auth import new_ping_uuid

    key = await strict.machine("a")
    uuid = new_ping_uuid()
    now = strict.app.monitor.clock.now()
    await strict.other.add_key("ping", uuid.digest, uuid.hint, now, machine_id=1)
    if path == "/api/v1/heartbeats":
        key = await strict.key("fleet")
    async with line(strict) as slowly:
        await slowly.say(head(key, "Content-Length: 100", path=path.format(uuid=uuid.text)), b'{"x":')
        assert await slowly.answer() == (0, {}, b"")
    assert (await strict.standing("a")).liveness.last_seen is None


async def test_an_answered_client_that_goes_on_sending_is_cut(strict: Served) -> None:
    async with line(strict) as endless:
        await endless.say(head("", "Content-Length: 1000000", method="GET", path="/healthz"), b"x" * 10)
        status, _, _ = await endless.answer()
        assert status == 200
        await endless.is_cut_while_it_says(b"x")


async def test_who_waits_for_us_is_not_cut(strict: Served) -> None:
    key = await strict.machine("a")
    free = asyncio.Event()
    record = strict.app.store.record

    async def stuck(beats: object, now: object) -> object:
        await free.wait()
        return await record(beats, now)  # type: ignore[arg-type]

    strict.app.monitor._loops.recorder._store = type("Stuck", (), {"record": staticmethod(stuck)})()  # type: ignore[assignment]
    async with line(strict) as waiting, line(strict) as idle:
        await waiting.say(head(key, "Content-Length: 2"), b"{}")
        await idle.say(b"x")
        assert (await idle.answer())[0] in (0, 400), "so long has passed that a slow one is gone"
        async with line(strict) as other:
            assert (await other.answer())[0] == 0
        free.set()
        assert (await waiting.answer())[0] == 204


async def test_chunked_bodies_are_read_and_broken_ones_refused(served: Served) -> None:
    key = await served.machine("a")
    async with line(served) as chunked:
        await chunked.say(
            head(key, "Transfer-Encoding: chunked"), b'8\r\n{"uptime\r\n', b'c\r\n_seconds":5}\r\n', b"0\r\n\r\n"
        )
        assert (await chunked.answer())[0] == 204
        await chunked.say(head(key, "Transfer-Encoding: chunked"), b"zz\r\n")
        assert (await chunked.answer())[0] in (0, 400)
    async with line(served) as endless:
        await endless.say(head(key, "Transfer-Encoding: chunked"))
        for _ in range(1200):
            await endless.say(b"1000\r\n" + b" " * 4096 + b"\r\n")
            if endless.reader.at_eof():
                break
        assert (await endless.answer())[0] in (0, 413)


async def test_requests_one_behind_the_other_are_answered_in_order(served: Served) -> None:
    key, fleet = await served.machine("a"), await served.key("fleet")
    async with line(served) as hurried:
        rows = json.dumps([{"machine": "a"}]).encode()
        await hurried.say(
            head(key, "Content-Length: 0")
            + head("lsm_wrong", "Content-Length: 0")
            + head(fleet, f"Content-Length: {len(rows)}", path="/api/v1/heartbeats")
            + rows
            + head(key, "Content-Length: 2")
            + b"{}"
            + head("", path="/ping/nobody/x", method="GET")
        )
        said = [(await hurried.answer())[0] for _ in range(5)]
        assert said == [204, 401, 200, 204, 404]


async def test_http_1_0_is_answered_and_hung_up_on(served: Served) -> None:
    key = await served.machine("a")
    async with line(served) as old:
        await old.say(head(key, "Content-Length: 2", version="1.0"), b"{}")
        status, headers, _ = await old.answer()
        assert (status, headers["connection"]) == (204, "close")
        assert await old.rest() == b""


@pytest.mark.parametrize("expecting", [True, False])
async def test_a_client_that_asks_before_it_sends_is_told_to_go_on(served: Served, expecting: bool) -> None:
    key = await served.machine("a") if expecting else "lsm_wrong"
    async with line(served) as polite:
        await polite.say(head(key, "Content-Length: 2", "Expect: 100-continue"))
        status, _, _ = await polite.answer()
        assert status == (100 if expecting else 401)
        if expecting:
            await polite.say(b"{}")
            assert (await polite.answer())[0] == 204


@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
@pytest.mark.parametrize(
    "value", ["\xff\xfe", "lsm_" + "x" * 5000, "lsm_\x80", "Bearer", "Bearer  ", "lsm_" + "\t" * 10]
)
async def test_odd_keys_are_wrong_keys(served: Served, name: str, value: str) -> None:
    for path in (HEARTBEAT, "/api/v1/heartbeats", "/agent/metrics", "/api/v1/machines/a/status"):
        async with line(served) as odd:
            method = "GET" if path.endswith("status") else "POST"
            start = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{name}: ".encode()
            await odd.say(start + value.encode("latin-1") + b"\r\n\r\n")
            assert (await odd.answer())[0] == 401


async def test_a_header_twice_and_a_field_twice_are_no_trouble(served: Served) -> None:
    key = await served.machine("a")
    async with line(served) as twice:
        await twice.say(
            head("lsm_wrong", f"X-API-Key: {key}", "Content-Length: 35"), b'{"status":"fine","status":"error"}\n'
        )
        assert (await twice.answer())[0] == 204
