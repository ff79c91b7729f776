"""What the agent makes of an answer, whatever the answer is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from lastseen.agent.pace import Kind
from lastseen.agent.sender import Sender, endpoint, redact
from lastseen.errors import ConfigurationError, InvalidInput
from tests.agent.servers import NO_CONTENT, Reply, answer, drip, flood, reset, serving, silence

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = "lsm_a-key-that-nobody-may-see-0123456789"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://monitor.lan:8383", "http://monitor.lan:8383/api/v1/heartbeat"),
        ("http://monitor.lan:8383/", "http://monitor.lan:8383/api/v1/heartbeat"),
        ("https://example.org/lastseen/", "https://example.org/lastseen/api/v1/heartbeat"),
        ("https://example.org/api/v1/heartbeat", "https://example.org/api/v1/heartbeat"),
        ("http://[::1]:8383?x=1#y", "http://[::1]:8383/api/v1/heartbeat"),
    ],
)
def test_the_address_of_the_server_is_enough(given: str, address: str) -> None:
    assert endpoint(given) == address


@pytest.mark.parametrize(
    "given", ["monitor.lan:8383", "ftp://x", "http://", "http://a:b@c", "http://[", "", "http://a:x"]
)
def test_what_is_no_address_is_refused_by_name(given: str) -> None:
    with pytest.raises(InvalidInput, match="--server"):
        endpoint(given)


async def test_a_report_goes_out_with_the_key_and_204_alone_counts() -> None:
    async with serving(NO_CONTENT) as server, Sender(endpoint(server.url)) as sender:
        told = await sender.send(KEY, {"uptime_seconds": 7}, NOW)
    assert told.kind is Kind.SENT
    assert server.requests[0].head.startswith("POST /api/v1/heartbeat HTTP/1.1")
    assert server.requests[0].key == KEY
    assert json.loads(server.requests[0].body) == {"uptime_seconds": 7}


NONSENSE: dict[str, Reply] = {
    "a login page": answer("200 OK", b"<html>Please log in</html>"),
    "a redirect": answer("302 Found", b"", "Location: http://elsewhere/?key=" + KEY),
    "no status line": b"hello\r\n\r\n",
    "binary": bytes(range(256)) * 10,
    "a strange status": answer("999 What"),
    "status zero": answer("000 None"),
    "an informational status for ever": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a broken length": b"HTTP/1.1 500 No\r\nContent-Length: many\r\n\r\n",
    "a broken chunk": b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    "a wrong encoding": answer("500 No", b"not gzip", "Content-Encoding: gzip"),
    "half an answer": b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\nhalf",
    "nothing": b"",
    "a reset": reset,
    "silence": silence,
    "drip": drip,
    "a flood": flood,
    "deep JSON": answer("500 No", b"[" * 3000),
    "JSON that is no object": answer("503 No", b'"x"', "Retry-After: soon"),
    "a date that is none": answer("503 No", b"", "Retry-After: Mon, 99 Foo 2026 00:00:00 GMT"),
    "a huge header": b"HTTP/1.1 500 No\r\nX: " + b"x" * 300_000 + b"\r\n\r\n",
    "our server, down": answer("503 Service Unavailable", b'{"title": "busy"}', "Retry-After: 7"),
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_is_a_failure_and_never_an_exception_nor_the_key_in_a_text(name: str) -> None:
    async with serving(NONSENSE[name]) as server, Sender(endpoint(server.url), timeout=0.5) as sender:
        with anyio.fail_after(60):  # drip and flood have no end of their own
            told = await sender.send(KEY, {}, NOW)
    assert told.kind is Kind.FAILED
    assert told.detail
    assert KEY not in told.detail
    assert "\n" not in told.detail
    assert len(told.detail) <= 300


async def test_nobody_listening_is_a_failure() -> None:
    async with serving(NO_CONTENT) as server:
        url = server.url
    async with Sender(endpoint(url), timeout=30) as sender:
        assert (await sender.send(KEY, None, NOW)).kind is Kind.FAILED


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("Thu, 01 Jan 2026 12:01:00 GMT", 60.0), ("Wed, 31 Dec 2025 12:00:00 GMT", 0.0)]
)
async def test_retry_after_may_be_seconds_or_a_date(header: str, seconds: float) -> None:
    reply = answer("429 Slow down", b"", f"Retry-After: {header}")
    async with serving(reply) as server, Sender(endpoint(server.url)) as sender:
        assert (await sender.send(KEY, {}, NOW)).retry_after == seconds


async def test_the_servers_reason_is_told_without_the_key_that_it_repeats() -> None:
    body = json.dumps({"title": "Forbidden", "detail": f"the machine is disabled\n({KEY})"}).encode()
    async with serving(answer("403 Forbidden", body)) as server, Sender(endpoint(server.url)) as sender:
        told = await sender.send(KEY, {}, NOW)
    assert told.kind is Kind.REFUSED
    assert told.detail == "403: the machine is disabled ([key])"


def test_a_text_for_a_person_is_one_short_printable_line() -> None:
    assert redact("a\r\nb\x1b[31m\x00" + "c" * 999, "k").startswith("a b [31m ccc")
    assert len(redact("x" * 999, "k")) == 300


def test_a_missing_ca_file_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        Sender("https://example.org/", tmp_path / "none.pem")
