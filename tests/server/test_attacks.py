"""Somebody who wants to wear the server out, or to slip something past it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import logging
import random
import resource
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lastseen.log_output import MUTE, configure_logs
from lastseen.web import slow
from lastseen.web.bounded import LONGEST_HEAD, MOST_WAITING, Bounded
from tests.cli.conftest import logs_as_they_were
from tests.server.conftest import HEARTBEAT, Served, a_server
from tests.server.line import head, line
from tests.support import eventually

CHUNKED = "Transfer-Encoding: chunked"


async def never_heard(served: Served, machine: str) -> bool:
    return (await served.standing(machine)).liveness.last_seen is None


async def status(served: Served, request: bytes) -> int:
    async with line(served) as asking:
        await asking.say(request)
        return (await asking.answer())[0]


# -- what is no body and comes with one


async def test_trailers_are_no_headers(tmp_path: Path) -> None:
    async with a_server(tmp_path, rate_limit="1/hour", trusted_proxies="127.0.0.0/8") as served:
        key = await served.machine("a")
        end = b"2\r\n{}\r\n0\r\n%s\r\n\r\n"
        trailer = end % f"X-API-Key: {key}".encode()
        assert await status(served, head("lsm_wrong", "X-Forwarded-For: 6.6.6.6", CHUNKED) + trailer) == 401
        assert await status(served, head("lsm_wrong", "X-Forwarded-For: 6.6.6.6", CHUNKED) + trailer) == 429
        elsewhere = end % b"X-Forwarded-For: 7.7.7.7"
        assert await status(served, head("lsm_wrong", "X-Forwarded-For: 6.6.6.6", CHUNKED) + elsewhere) == 429
        assert await never_heard(served, "a")
        assert await status(served, head(key, CHUNKED) + end % b"X-API-Key: lsm_wrong") == 204


@pytest.mark.parametrize(
    ("beginning", "part"),
    [
        (b"2\r\n{}\r\n0\r\n", b"X-A: " + b"y" * 1000 + b"\r\n"),
        (b"2\r\n{}\r\n0\r\nX-A: ", b"y" * 1000),
        (b"2;", b"y" * 1000),
        (b"", b"1;" + b"y" * 30_000 + b"\r\nx\r\n"),
    ],
    ids=["trailers", "one trailer", "one extension", "many extensions"],
)
async def test_what_surrounds_a_body_is_not_gathered_without_end(served: Served, beginning: bytes, part: bytes) -> None:
    key = await served.machine("a")
    async with line(served) as endless:
        await endless.say(head(key, CHUNKED), beginning)

        async def hung_up() -> bool:
            await endless.say(part)
            return endless.reader.at_eof() or endless.reader.exception() is not None

        await endless.say(b"", *[part] * (4 * LONGEST_HEAD // len(part)))
        await eventually(hung_up)
    assert await never_heard(served, "a") or beginning.endswith((b"\r\n0\r\n", b"X-A: ")), "the body was whole"


async def test_a_body_in_very_small_pieces_is_taken(served: Served) -> None:
    key = await served.machine("a")
    body = b'{"message": "' + b"x" * 30_000 + b'"}'
    async with line(served) as careful:
        await careful.say(head(key, CHUNKED))
        for begin in range(0, len(body), 500):
            await careful.say(b"".join(b"1\r\n%c\r\n" % byte for byte in body[begin : begin + 500]))
        await careful.say(b"0\r\n\r\n")
        assert (await careful.answer())[0] == 204


async def test_a_long_body_and_the_next_request_may_come_together(served: Served) -> None:
    key, fleet = await served.machine("a"), await served.key("fleet")
    rows = b"[" + b'{"machine": "a"},' * 9000 + b'{"machine": "a"}]'
    async with line(served) as hurried:
        await hurried.say(head(fleet, f"Content-Length: {len(rows)}", path="/api/v1/heartbeats") + rows + b"POST ")
        assert (await hurried.answer())[0] == 200
        await hurried.say(head(key, "Content-Length: 0")[5:])
        assert (await hurried.answer())[0] == 204


# -- many at once


async def test_requests_that_wait_for_those_before_them_are_not_gathered_without_end(served: Served) -> None:
    key = await served.machine("a")
    request = head(key, "Content-Length: 0")
    async with line(served) as hurried:
        await hurried.say(request * MOST_WAITING)
        assert [(await hurried.answer())[0] for _ in range(MOST_WAITING)].count(204) >= 120
    async with line(served) as flood:
        await flood.say(request * 4 * MOST_WAITING)
        assert len((await flood.rest()).split(b"HTTP/1.1 ")) <= MOST_WAITING
    assert await status(served, head(await served.machine("b"), "Content-Length: 0")) == 204


async def test_a_thousand_idle_connections_keep_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow, "HEADERS", 1.0)
    async with a_server(tmp_path) as served, contextlib.AsyncExitStack() as all_of_them:
        key = await served.machine("a")
        with capture_logs() as logs:
            idle = [await all_of_them.enter_async_context(line(served)) for _ in range(_many())]
            assert (await served.beat(key)).status_code == 204
            for one in idle:
                assert await one.answer() == (0, {}, b"")
        cut = [entry["connections"] for entry in logs if entry["event"] == "slow_client_cut"]
        assert sum(cut) == len(idle)
        assert len(cut) < len(idle) / 5, "not a line for each"


def _many() -> int:
    """Both ends of each connection are open files of this process."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1000 if most == resource.RLIM_INFINITY else min(1000, (most - 200) // 2)


@pytest.fixture
async def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """A server that wants its answers read soon."""
    monkeypatch.setattr(slow, "ANSWER", 0.5)
    async with a_server(tmp_path) as server:
        yield server


async def test_who_asks_and_does_not_read_is_cut(impatient: Served) -> None:
    request = head("", method="GET", path="/api/v1/openapi.json")
    with capture_logs() as logs:
        async with line(impatient) as deaf:
            deaf.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # soon full
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
            deaf.writer.write(request * (MOST_WAITING - 1))  # with one more it would be hung up on for that
            await eventually(lambda: any(entry["event"] == "slow_client_cut" for entry in logs))
    assert {entry["waited_for"] for entry in logs if entry["event"] == "slow_client_cut"} == {"reading"}


async def test_who_reads_slowly_is_not_cut(impatient: Served) -> None:
    async with line(impatient) as reader:
        for _ in range(40):
            await reader.say(head("", method="GET", path="/api/v1/openapi.json"))
            status, _, body = await reader.answer()
            assert status == 200
            assert json.loads(body)


# -- what is written in odd ways


@pytest.mark.parametrize("path", [HEARTBEAT, "/api/v1/heartbeats", "/agent/metrics"])
async def test_a_compressed_body_is_refused_by_name(served: Served, path: str) -> None:
    key = await served.key("fleet") if path.endswith("s") and "v1" in path else await served.machine("a")
    body = gzip.compress(b'{"cpu_pct": 1, "mem_used_pct": 1, "disk_used_pct": 1}')
    headers = {"X-API-Key": key, "Content-Encoding": "gzip"}
    answer = await served.http.post(path, content=body, headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    assert "Content-Encoding" in answer.text
    plain = b'{"cpu_pct": 1, "mem_used_pct": 1, "disk_used_pct": 1, "machine": "x"}'
    answer = await served.http.post(path, content=plain, headers={**headers, "Content-Encoding": "Identity"})
    assert answer.status_code in (200, 202, 204)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1/openapi.json", "/api/v1/machines/a/status"])
async def test_head_is_answered_as_get_is_without_a_body(served: Served, path: str) -> None:
    headers = {"X-API-Key": await served.machine("a")}
    got, headed = await served.http.get(path, headers=headers), await served.http.head(path, headers=headers)
    assert (got.status_code, headed.status_code, headed.content) == (200, 200, b"")
    assert headed.headers["content-length"] == got.headers["content-length"]
    assert (await served.http.head("/nothing")).status_code == 404
    assert (await served.http.head("/api/v1/machines/a/status")).status_code == 401


async def test_the_key_is_read_from_one_header_and_never_from_the_query(served: Served) -> None:
    key = await served.machine("a")
    good, bad = f"Authorization: Bearer {key}", "Authorization: Bearer lsm_wrong"

    async def said(*headers: str, path: str = HEARTBEAT) -> int:
        lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Length: 0", *headers]
        return await status(served, ("\r\n".join(lines) + "\r\n\r\n").encode())

    assert await said(path=f"{HEARTBEAT}?key={key}&api_key={key}&token={key}&x-api-key={key}") == 401
    assert await said(bad, f"X-API-Key: {key}") == 401, "Authorization comes first"
    assert await said(good, bad) == 401, "of two the last counts"
    assert await never_heard(served, "a")
    assert await said(bad, good) == 204


ODD = [
    "Content-Length: +2", "Content-Length: 2, 2", "Content-Length: ", "Content-Length: 0x2", "Content-Length: 1_0",
    "Content-Length: 2\r\nContent-Length: 2", "Content-Length: 2\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: xchunked",
    "Transfer-Encoding : chunked", "Transfer-Encoding: identity", "X: a\0b\r\nContent-Length: 2",
    "X: a\r\n b\r\nContent-Length: 2",
]  # fmt: skip


@pytest.mark.parametrize("headers", ODD)
async def test_what_two_servers_could_read_in_two_ways_is_refused(served: Served, headers: str) -> None:
    key = await served.machine("a")
    async with line(served) as smuggler:
        await smuggler.say(head(key, headers) + b"{}\r\n0\r\n\r\n" + head(key, "Content-Length: 0"))
        assert (await smuggler.answer())[0] == 400
        assert await smuggler.rest() == b""
    assert await never_heard(served, "a")


METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PATCH", "CONNECT"]
PATHS = [
    "/", "*", "/healthz/", "//api/v1/heartbeat", HEARTBEAT + "/", HEARTBEAT + "%00", "/api/v1/%2e%2e/v1/heartbeat",
    "/api/v1/../v1/heartbeat", HEARTBEAT + ";x=1", "/ping", "/ping/%ff%fe", "/ping/%f/x%", "/ping/%2e%2e/x",
    "/ping/" + "a" * 60_000,
    "/api/push", "/api/push/%ED%A0%80", "/agent/metrics/", "/api/v1/machines/%00/status", "/api/v1/machines/-1/status",
    "/api/v1/machines/%ED%A0%80/status", "/api/v1/machines/9223372036854775808/status", "/metrics/%2e",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
async def test_no_method_on_an_odd_path_does_or_breaks_anything(served: Served, path: str) -> None:
    key = await served.machine("a")
    for method in METHODS:
        async with line(served) as odd:
            await odd.say(head(key, "Content-Length: 0", path=path, method=method))
            first = (await asyncio.wait_for(odd.reader.readuntil(b"\r\n"), 10)).split()
            assert int(first[1]) in (400, 401, 403, 404, 405), (method, first)
    assert await never_heard(served, "a")


async def test_nobody_fills_the_log_with_requests_that_cannot_be_read(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    levels = {name: logging.getLogger(name).level for name in MUTE}
    with logs_as_they_were():
        configure_logs()
        for nonsense in (b"nonsense\r\n\r\n", head("", "Upgrade: websocket", "Connection: Upgrade", path="/")):
            assert await status(served, nonsense) in (400, 405)
        assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def test_the_bounds_are_in_force() -> None:
    protocol: Any = slow.bounded_protocol()
    assert protocol is Bounded


async def test_requests_with_a_few_bytes_changed_break_nothing(served: Served) -> None:
    key, fleet, ping = await served.machine("a"), await served.key("fleet"), await served.key("ping")
    rows = b'[{"machine": "a", "next_in": 60}, {"machine": 1}]'
    whole = [
        head(key, "Content-Length: 15") + b'{"status":"ok"}',
        head(key, CHUNKED) + b'5\r\n{"a":\r\n3\r\n1}\n\r\n0\r\n\r\n',
        head(fleet, f"Content-Length: {len(rows)}", path="/api/v1/heartbeats") + rows,
        head("", "Content-Length: 2", path=f"/ping/{ping}/a/7?rid=0b3e6f6a-8d0e-4d56-a3c5-1f0b7a4c2f11") + b"no",
        head(key, method="GET", path="/api/v1/machines/a/status"),
    ]
    dice = random.Random(3)
    with capture_logs() as logs:
        said = Counter([await one_answer(served, changed(dice.choice(whole), dice)) for _ in range(400)])
    assert not said.keys() & set(range(500, 600)), said
    assert {0, 400, 404} <= said.keys(), said
    assert [entry for entry in logs if entry["event"] == "request_failed"] == []
    assert (await served.beat(key)).status_code in (204, 429)


def changed(request: bytes, dice: random.Random) -> bytes:
    """Some bytes are others, missing, or there twice."""
    raw = bytearray(request)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(raw))
        with_it = dice.choice([bytes([dice.randrange(256)]), b"", raw[at : at + 9] * 2, b"\r\n", b"%00", b":", b"\0"])
        raw[at : at + 1] = with_it
    return bytes(raw)


async def one_answer(served: Served, request: bytes) -> int:
    """Its status; 0 where there is none, because more is waited for or the connection is closed."""
    async with line(served) as odd:
        await odd.say(request)
        with contextlib.suppress(OSError):
            odd.writer.write_eof()
        first = (await odd.rest()).split(b"\r\n")[0].split()
        return int(first[1]) if len(first) > 1 else 0
